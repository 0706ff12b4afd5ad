//! The witness that a token was verified.

/// Claims that a signature covers and whose rules were checked. Only the verify functions of this
/// crate make one, so a function that takes it cannot be called with anything less.
#[derive(Clone)]
pub struct Verified<T> {
    claims: T,
    digest: [u8; 32],
    signed_digest: [u8; 32],
    kid: String,
}

impl<T> Verified<T> {
    /// INVARIANT: called by `check_signature` alone, after the signature was found good.
    pub(super) const fn new(
        claims: T,
        digest: [u8; 32],
        signed_digest: [u8; 32],
        kid: String,
    ) -> Self {
        Self {
            claims,
            digest,
            signed_digest,
            kid,
        }
    }

    /// What the token says.
    #[must_use]
    pub const fn claims(&self) -> &T {
        &self.claims
    }

    /// What the token says, without the witness.
    #[must_use]
    pub fn into_claims(self) -> T {
        self.claims
    }

    /// SHA-256 of the whole token, signature included: under it a verdict may be remembered.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// SHA-256 of what the signature covers: the same for two signatures over one content.
    #[must_use]
    pub const fn signed_digest(&self) -> &[u8; 32] {
        &self.signed_digest
    }

    /// The key that signed.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The same witness over the claims in another form.
    pub(crate) fn try_map<U, E>(
        self,
        form: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Verified<U>, E> {
        let Self {
            claims,
            digest,
            signed_digest,
            kid,
        } = self;
        Ok(Verified {
            claims: form(claims)?,
            digest,
            signed_digest,
            kid,
        })
    }
}

impl<T> std::fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verified({})", hex::encode(self.digest))
    }
}
