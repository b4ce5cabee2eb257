//! What is no request: one line says so, and nothing is drawn.

use std::collections::HashMap;

use fastrand::Rng;

use crate::support::Scene;

const LONGEST: usize = aliquot::common::limits::DRAW_LINE_MAX_BYTES;

fn wrong() -> Vec<Vec<u8>> {
    let text = "draw 0|draw -1|draw +1|draw abc|draw 1 2|draw|draw |draw  1|draw 1 | draw 1|draw 1.0|draw 0x1|draw 1e3|\
                draw 100000001|draw 4294967297|draw 18446744073709551617|draw 123456789012345678901234567890|draw １|\
                draw 1 #|draw 1 #a b|draw 1 #é|draw 1#a|draw #a|abc|Draw 1|DRAW 1|4|-1|lefts|left 1|help!|close!|\
                #a 0 1|error|GET / HTTP/1.1|draw\t1|draw 1\tx";
    let mut lines: Vec<Vec<u8>> = text.split('|').map(|line| line.as_bytes().to_vec()).collect();
    lines.extend(
        [&b"\xff"[..], b"draw \xff", b"draw 1\xff", b"\0", b"draw 1\0", b"draw\x001", b"\0\0\0\0"].map(<[u8]>::to_vec),
    );
    lines.push(vec![b'x'; LONGEST + 100]);
    lines.push([&b"draw "[..], &[b'1'; LONGEST]].concat());
    lines.push([&b"draw 1 #"[..], &[b'a'; LONGEST]].concat());
    lines
}

#[test]
fn what_is_no_request_is_one_error_each_and_the_counter_stands() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let mut client = loot.client();
    client.draw(3);
    let empty = [vec![], b"\r".to_vec()];
    for line in wrong().into_iter().chain(empty) {
        client.send(&[&line[..], b"\n"].concat());
        let said = client.text();
        assert!(said.starts_with("error ") && said.contains(": "), "{said} for {}", line.escape_ascii());
        assert_eq!(client.count("drawn"), 3, "{}", line.escape_ascii());
    }
    assert_eq!(client.draw(1).len(), 1);
}

#[test]
fn a_line_may_be_so_long_and_no_longer() {
    let scene = Scene::new();
    let loot = scene.loot("--size 100");
    let mut client = loot.client();
    let longest = format!("draw {:0>1$}", 2, LONGEST - 5);
    for end in ["\n", "\r\n"] {
        client.send(format!("{longest}{end}").as_bytes());
        client.numbers(2);
        client.send(format!("{longest}0{end}").as_bytes());
        assert_eq!(client.text(), format!("error line: longer than {LONGEST} bytes"));
    }
    assert_eq!(client.count("drawn"), 4);
}

#[test]
fn without_line_ends_it_is_the_same() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000");
    let mut client = loot.client();
    client.send(b"draw 1");
    client.some();
    for line in wrong() {
        let drawn = loot.standing().0;
        client.send(&line);
        let said = client.text();
        assert!(said.starts_with("error ") && said.contains(": "), "{said} for {}", line.escape_ascii());
        client.send(b"drawn");
        client.expect(drawn.to_string().as_bytes());
        client.send(b"draw 1");
        assert!(client.some().iter().all(u8::is_ascii_digit));
        // Digits right behind a draw would be more of its number.
        client.send(b"drawn");
        client.expect((drawn + 1).to_string().as_bytes());
    }
}

/// What a line draws, and its id, if it is a draw: read by other means than the server's.
fn draws(line: &[u8]) -> Option<(u32, Option<&[u8]>)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let (count, id) = match words[..] {
        [b"draw", count] => (count, None),
        [b"draw", count, id] => (count, Some(id.strip_prefix(b"#")?)),
        _ => return None,
    };
    let is_id =
        |id: &[u8]| !id.is_empty() && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    let is_count = !count.is_empty() && count.iter().all(u8::is_ascii_digit);
    let count: u128 = str::from_utf8(count).ok().filter(|_| is_count && id.is_none_or(is_id))?.parse().ok()?;
    (1..=100_000_000).contains(&count).then_some((u32::try_from(count).ok()?, id))
}

/// A line that is nearly one, or nothing at all.
fn garbage(random: &mut Rng, nth: usize) -> Vec<u8> {
    let pieces =
        ["draw", " ", "  ", "#", "a", "-", "0", "1", "7", "99999999999", "left", "drawn", "é", "\0", "\r", "."];
    let mut line = match random.u8(..4) {
        0 => format!("draw {}", random.u8(..3)).into_bytes(),
        1 => format!("draw {} #{nth}", random.u8(..3)).into_bytes(),
        2 => (0..random.usize(..8)).flat_map(|_| pieces[random.usize(..pieces.len())].bytes()).collect(),
        _ => (0..random.usize(..40)).map(|_| random.u8(..)).filter(|byte| *byte != b'\n').collect(),
    };
    if random.u8(..4) == 0 && !line.is_empty() {
        let at = random.usize(..line.len());
        line[at] = random.u8(b' '..=b'z');
    }
    line
}

#[test]
fn garbage_never_moves_the_counter_unless_it_is_a_draw() {
    let scene = Scene::new();
    let loot = scene.loot("--size 1000000 --ledger :memory:");
    let mut random = Rng::with_seed(crate::seed());
    let (mut client, mut drawn, mut ids) = (loot.client(), 0, HashMap::new());
    for nth in 0..5_000 {
        let line = garbage(&mut random, nth);
        let wanted = draws(&line);
        // A digit in the wrong place may ask for all.
        if wanted.is_some_and(|(wanted, _)| wanted > 10) || line.starts_with(b"help") || line.starts_with(b"close") {
            continue;
        }
        client.send(&[&line[..], b"\n"].concat());
        let (wanted, id) = wanted.unwrap_or_default();
        let first = id.map(|id| *ids.entry(id.to_vec()).or_insert((nth, wanted)));
        if wanted == 0 || first.is_some_and(|(_, former)| former != wanted) {
            client.text();
        } else {
            (0..wanted + u32::from(id.is_some())).for_each(|_| assert!(!client.text().starts_with("error")));
            drawn += if first.is_none_or(|(former, _)| former == nth) { wanted } else { 0 };
        }
        assert_eq!(client.count("drawn"), drawn, "line {nth}: {}", line.escape_ascii());
    }
    assert_eq!(loot.standing(), (drawn, 1_000_000 - drawn));
}
