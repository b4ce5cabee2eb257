//! TLS 1.3 with raw public keys (RFC 8446, RFC 7250), by rustls: bytes in, bytes out; it touches no socket and no clock.
//!
//! Both sides show an Ed25519 key and prove that they have its secret. A client takes one key alone, its server's. A
//! server takes any: who that is, and whether it may come in, is decided above, where it can be answered in words.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName,
    ServerConfig, ServerConnection, SignatureScheme,
};

use super::error::{Error, Result};
use super::exit::Status;
use super::keys::{self, KEY_BYTES, Public, Role, Secret};

/// True if `first`, the first byte that somebody says, begins a record of TLS (RFC 8446, section 5.1): no line of XML begins
/// so. A client begins with a handshake (22), a server perhaps with an alert (21).
#[must_use]
pub fn is_record(first: u8) -> bool {
    (20..=23).contains(&first)
}

/// What stands before the 32 bytes of an Ed25519 public key in its `SubjectPublicKeyInfo` (RFC 8410, section 4).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What stands before the 32 bytes of its seed in PKCS #8 (RFC 8410, section 7).
const SECRET_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why a session can't go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server's key isn't the one that this client takes.
    WrongKey,
    /// Something else, in words.
    Other(String),
}

/// What every session of one side has in common.
#[derive(Clone)]
pub struct Context(Side);

#[derive(Clone)]
enum Side {
    Client(Arc<ClientConfig>),
    Server(Arc<ServerConfig>),
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a TLS context")
    }
}

impl Context {
    /// A client by the key that `given` stands for, one of these `roles`; nothing where none is named.
    ///
    /// # Errors
    /// As [`keys::load`].
    pub fn by_key(given: Option<&str>, roles: &[Role]) -> Result<Option<Self>> {
        let key = keys::named(given).map(|given| keys::load(given, roles)).transpose()?;
        key.map(|key| Self::client(key.secret, key.server)).transpose()
    }

    /// A client that shows the key of `secret` and takes no server but the one that has the key `pinned`.
    ///
    /// # Errors
    /// When the library refuses; it doesn't for any key.
    pub fn client(secret: Secret, pinned: Public) -> Result<Self> {
        let provider = provider();
        let pin = Arc::new(Pin { pinned, algorithms: provider.signature_verification_algorithms });
        let key = Arc::new(certified(secret)?);
        let mut config = ClientConfig::builder_with_details(Arc::new(provider), Arc::new(Timeless))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| failed(&error))?
            .dangerous()
            .with_custom_certificate_verifier(pin)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)));
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(Self(Side::Client(Arc::new(config))))
    }

    /// A server that shows the key of `secret`, and takes every client that has a key and proves it.
    ///
    /// # Errors
    /// As `client`.
    pub fn server(secret: Secret) -> Result<Self> {
        let provider = provider();
        let any = Arc::new(AnyKey { algorithms: provider.signature_verification_algorithms });
        let key = Arc::new(certified(secret)?);
        let mut config = ServerConfig::builder_with_details(Arc::new(provider), Arc::new(Timeless))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| failed(&error))?
            .with_client_cert_verifier(any)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
        // A session is never resumed: a key that was removed must not live on in a ticket.
        config.send_tls13_tickets = 0;
        Ok(Self(Side::Server(Arc::new(config))))
    }

    /// A session over a connection that has just been made.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn session(&self) -> Result<Session> {
        let connection = match &self.0 {
            Side::Client(config) => {
                // The name is of no meaning: the server is known by its key, and the name isn't sent.
                let name = ServerName::try_from("server").map_err(|error| failed(&error))?;
                ClientConnection::new(Arc::clone(config), name).map(Connection::from)
            }
            Side::Server(config) => ServerConnection::new(Arc::clone(config)).map(Connection::from),
        };
        connection.map(|connection| Session(Box::new(connection))).map_err(|error| failed(&error))
    }
}

/// One connection's state.
pub struct Session(Box<Connection>);

impl Session {
    /// Takes in bytes of the wire; what they hold of the other side's words is added to `plain`.
    ///
    /// # Errors
    /// When the other side doesn't keep to the protocol, or has the wrong key. What is to be told it waits in `drain`.
    pub fn receive(&mut self, mut wire: &[u8], plain: &mut Vec<u8>) -> std::result::Result<(), Fault> {
        while !wire.is_empty() {
            if self.0.read_tls(&mut wire).map_err(|error| Fault::Other(error.to_string()))? == 0 {
                break;
            }
            let state = self.0.process_new_packets().map_err(fault)?;
            let begin = plain.len();
            plain.resize(begin + state.plaintext_bytes_to_read(), 0);
            self.0.reader().read_exact(&mut plain[begin..]).map_err(|error| Fault::Other(error.to_string()))?;
        }
        Ok(())
    }

    /// Seals `plain` for the other side, once the handshake is over; adds to `wire` what is then to be written.
    ///
    /// # Errors
    /// When the handshake isn't over, and more waits for it than the library keeps.
    pub fn send(&mut self, mut plain: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
        while !plain.is_empty() {
            let taken = self.0.writer().write(plain)?;
            if taken == 0 {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            plain = &plain[taken..];
            self.drain(wire);
        }
        Ok(())
    }

    /// Adds to `wire` what is to be written: parts of the handshake, alerts, sealed words.
    pub fn drain(&mut self, wire: &mut Vec<u8>) {
        while self.0.wants_write() && self.0.write_tls(wire).is_ok_and(|count| count > 0) {}
    }

    /// The key that the other side has proved to have, once the handshake is over.
    #[must_use]
    pub fn peer(&self) -> Option<Public> {
        let shown = self.0.peer_certificates().filter(|_| !self.0.is_handshaking());
        shown.and_then(|shown| shown.first()).and_then(|shown| public_of(shown))
    }
}

/// The public key that belongs to a secret one.
///
/// # Errors
/// When the library refuses; it doesn't for any seed.
pub fn public(secret: Secret) -> Result<Public> {
    let key = certified(secret)?;
    key.cert.first().and_then(|spki| public_of(spki)).ok_or_else(|| failed(&"a key of another kind"))
}

/// A secret key from the system's randomness.
///
/// # Errors
/// When the system has none.
pub fn random_secret() -> Result<Secret> {
    let mut seed = [0; KEY_BYTES];
    provider().secure_random.fill(&mut seed).map_err(|_| failed(&"the system has no randomness"))?;
    Ok(Secret(seed))
}

/// The cryptography: one key exchange and one kind of signature, so that nobody can ask for a dear one.
fn provider() -> CryptoProvider {
    CryptoProvider { kx_groups: vec![ring::kx_group::X25519], ..ring::default_provider() }
}

fn certified(secret: Secret) -> Result<CertifiedKey> {
    let der = [&SECRET_PREFIX[..], &secret.0].concat();
    let key = provider().key_provider.load_private_key(PrivateKeyDer::Pkcs8(der.into())).map_err(|e| failed(&e))?;
    let spki = key.public_key().ok_or_else(|| failed(&"a key without a public part"))?;
    let spki = CertificateDer::from(spki.to_vec());
    Ok(CertifiedKey::new(vec![spki], key))
}

/// The key in a `SubjectPublicKeyInfo`, if it is an Ed25519 key.
fn public_of(spki: &[u8]) -> Option<Public> {
    spki.strip_prefix(&PUBLIC_PREFIX)?.try_into().ok().map(Public)
}

fn failed(cause: &dyn std::fmt::Display) -> Error {
    Error::new(Status::Failed, "tls", cause)
}

fn fault(error: rustls::Error) -> Fault {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => Fault::WrongKey,
        error => Fault::Other(error.to_string()),
    }
}

/// Time has no part in this: no key expires, and no clock can keep a fleet out.
#[derive(Debug)]
struct Timeless;

impl TimeProvider for Timeless {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::ZERO))
    }
}

/// Takes one key alone.
#[derive(Debug)]
struct Pin {
    pinned: Public,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Takes every Ed25519 key.
#[derive(Debug)]
struct AnyKey {
    algorithms: WebPkiSupportedAlgorithms,
}

/// That the holder of the raw key `spki` has signed this handshake.
fn verify(
    message: &[u8],
    spki: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
    let spki = SubjectPublicKeyInfoDer::from(spki.as_ref());
    verify_tls13_signature_with_raw_key(message, &spki, signed, algorithms)
}

fn no_tls12() -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::General("only TLS 1.3 is spoken".to_owned()))
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        match public_of(shown) {
            Some(key) if key == self.pinned => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify(message, shown, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        match public_of(shown) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify(message, shown, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
