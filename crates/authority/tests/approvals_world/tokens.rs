//! What a run does: it gets tokens, asks people, and redeems what they granted.

use std::sync::atomic::Ordering;

use countersign_authority::{
    Authority, Proved, Rejection,
    approvals::{Decide, Decision, GrantAsk, OpenGrant},
    client_auth::ClientProof,
    command::Permit,
    federation::fixture::{self, Claims},
    grants::{GrantType, TokenRequest},
    issue::{IssuePlan, RecordError, Released},
};
use countersign_crypto::{Secret, jose};
use countersign_model::{
    action::ActionSet, approval::Approval, reason::Refusal, token::ArtifactDigest,
};

use super::{AUDIENCE, CI, ISSUER, User, World, drive};

/// A run with its token.
pub struct Bearer {
    pub token: Proved,
    pub permit: Permit,
}

impl World {
    /// A fresh assertion of the CI for run 9876543210, its first attempt.
    pub fn claims(&self) -> Claims {
        let jti = self.jti.fetch_add(1, Ordering::SeqCst);
        fixture::github(self.now(), CI, ISSUER).with("jti", format!("jti-{jti}"))
    }

    pub fn assertion(&self, claims: Claims) -> String {
        jose::sign(&self.ci, "JWT", &claims.into_map()).unwrap()
    }

    /// A request for a token with a fresh assertion.
    pub fn request(&self, claims: Claims) -> TokenRequest {
        TokenRequest {
            tenant: self.tenant(),
            grant: GrantType::JwtBearer,
            proof: ClientProof::Run {
                client_id: Some("releaser".to_owned()),
                token: Secret::new(self.assertion(claims)),
                form: "jwt_bearer",
            },
            scope: None,
            audience: None,
            resource: None,
            environment: None,
            authorization_details: None,
            approval_id: None,
            run: None,
        }
    }

    pub fn plan(&self, replica: &Authority, request: &TokenRequest) -> Result<IssuePlan, Refusal> {
        let ctx = self.ctx();
        drive(replica, |facts| {
            let authenticated = replica.authenticate_client(&ctx, request, facts)?;
            replica.plan_token(&ctx, request, &authenticated, facts)
        })
    }

    /// Gets a token as the server's driver does: decides again when something changed meanwhile.
    pub fn issue(&self, request: &TokenRequest) -> Result<Released, Refusal> {
        let replica = self.authority();
        for _ in 0..3 {
            let plan = self.plan(replica, request)?;
            match replica.record(plan).wait() {
                Ok(recorded) => {
                    return Ok(replica
                        .release(&self.ctx(), &request.tenant, &[], recorded)
                        .unwrap());
                }
                Err(RecordError::Stale) => self.follow(),
                Err(RecordError::Rejected(Rejection::Refused(refusal))) => return Err(refusal),
                Err(RecordError::Rejected(fault)) => panic!("{fault}"),
            }
        }
        panic!("stale three times")
    }

    /// The token that a run has before anybody countersigned anything.
    pub fn base_token(&self) -> Bearer {
        self.base_token_of(self.claims())
    }

    pub fn base_token_of(&self, claims: Claims) -> Bearer {
        let released = self.issue(&self.request(claims)).unwrap();
        self.bearer(&released.access_token)
    }

    pub fn bearer(&self, token: &str) -> Bearer {
        let authority = self.authority();
        let token = authority
            .verify_token(
                &self.ctx(),
                &self.tenant(),
                token,
                None,
                countersign_authority::tokens::Shown::AskedAbout,
            )
            .unwrap();
        let permit = drive(authority, |facts| authority.permit(&token, facts)).unwrap();
        Bearer { token, permit }
    }

    pub fn open_grant(&self, bearer: &Bearer, ask: GrantAsk) -> Result<Approval, Refusal> {
        self.run(
            &bearer.permit,
            OpenGrant {
                bearer: bearer.token.clone(),
                ask,
            },
        )
    }

    pub fn decide(
        &self,
        user: &User,
        approval: &Approval,
        approved: bool,
    ) -> Result<Decision, Refusal> {
        self.run(
            &user.permit,
            Decide {
                approval_id: approval.id,
                approved,
                digest: approval.doc.digest.clone(),
                reason: Some("read it".to_owned()),
                signed: None,
            },
        )
    }

    pub fn redeem(&self, approval: &Approval, claims: Claims) -> Result<Released, Refusal> {
        self.issue(&self.redemption(approval, claims))
    }

    pub fn redemption(&self, approval: &Approval, claims: Claims) -> TokenRequest {
        TokenRequest {
            approval_id: Some(approval.id.to_string()),
            ..self.request(claims)
        }
    }
}

pub fn actions(names: &[&str]) -> ActionSet {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// What the pipeline asks people for.
pub fn release() -> GrantAsk {
    GrantAsk {
        actions: actions(&["deploy.release"]),
        environment: Some("production".parse().unwrap()),
        audience: Some(AUDIENCE.to_owned()),
        artifact_digest: Some(artifact("ab")),
        resource: None,
        reason: Some("release 42".to_owned()),
        expires_in: None,
    }
}

pub fn artifact(byte: &str) -> ArtifactDigest {
    format!("sha256:{}", byte.repeat(32)).parse().unwrap()
}
