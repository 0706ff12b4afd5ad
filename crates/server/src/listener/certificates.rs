//! Certificates of clients in the handshake: asked for, never demanded. That the client holds the key is checked here; who
//! vouches for the certificate, where the credential is known that it is for.

use std::{future::Future, io, pin::Pin, sync::Arc};

use axum_server::{
    accept::{Accept, NoDelayAcceptor},
    tls_rustls::RustlsAcceptor,
};
use countersign_crypto::certificate::ClientCertificate;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use tokio::net::TcpStream;

use super::Connection;

/// Takes every certificate whose key the client holds: it gives no right by itself.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyCertificate {
    pub(super) fn new() -> Self {
        Self {
            algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
        }
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: the authorities are those of the credentials of all tenants, which is nobody's business.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Tells each connection which certificate it was made with.
#[derive(Clone)]
pub(super) struct Telling(pub(super) RustlsAcceptor<NoDelayAcceptor>);

impl Accept<TcpStream, Connection> for Telling {
    type Stream = <RustlsAcceptor<NoDelayAcceptor> as Accept<TcpStream, Connection>>::Stream;
    type Service = Connection;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Connection)>> + Send>>;

    fn accept(&self, stream: TcpStream, connection: Connection) -> Self::Future {
        let accepting = self.0.accept(stream, connection);
        Box::pin(async move {
            let (stream, mut connection) = accepting.await?;
            let chain = stream.get_ref().1.peer_certificates();
            if let Some((own, others)) = chain.and_then(<[_]>::split_first) {
                let others: Vec<&[u8]> = others.iter().map(AsRef::as_ref).collect();
                connection.peer.certificate =
                    ClientCertificate::new(own.as_ref(), &others).map(Arc::new);
            }
            Ok((stream, connection))
        })
    }
}
