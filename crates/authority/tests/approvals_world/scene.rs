//! The people and records that every test begins with.

use countersign_model::{
    Id, id,
    identity::Kind,
    registry::{
        ApprovalRule, AudienceDoc, CredentialDoc, CredentialSecret, IdentityDoc, IssuerDoc,
        IssuerProfile, KeySource, LinkedAccountDoc, Party, ProjectDoc, Record, TenantRole,
    },
    time::Seconds,
    trust::{Accepted, TrustRule},
};
use serde_json::json;

use super::{AUDIENCE, CI, User, World, actions};

/// What every test begins with.
pub struct Scene {
    pub dana: User,
    pub lee: User,
    pub kim: User,
    pub project: Record,
    pub identity: Record,
    pub issuer: Record,
    pub audience: Record,
}

impl World {
    /// Dana and Lee own the project `web` and Kim is a member of the tenant. The pipeline `releaser` may
    /// release to production when somebody countersigns it.
    pub fn scene(&self) -> Scene {
        let dana = self.sign_in("dana@example.com", TenantRole::Owner);
        let lee = self.sign_in("lee@example.com", TenantRole::Owner);
        let kim = self.sign_in("kim@example.com", TenantRole::Member);
        let project = ProjectDoc {
            name: "web".parse().unwrap(),
            personal_of: None,
            members: Vec::new(),
            allowed_actions: None,
            description: String::new(),
        };
        let project = self.create(&dana.permit, "web", None, project);
        let audience = self.audience(&dana, AUDIENCE, Vec::new());
        let jwks = json!({"keys": [self.ci.public_jwk()]});
        let issuer = IssuerDoc {
            url: CI.to_owned(),
            profile: IssuerProfile::Github,
            keys: KeySource::Inline(jwks),
            audience: None,
            ca_bundle: None,
            trust_domain: None,
        };
        let issuer = self.create(&dana.permit, CI, None, issuer);
        let identity = self.identity(&dana, "releaser", &project, &audience);
        self.trust(&dana, &identity, &issuer);
        Scene {
            dana,
            lee,
            kim,
            project,
            identity,
            issuer,
            audience,
        }
    }

    pub fn audience(&self, user: &User, name: &str, served_by: Vec<Id<id::Identity>>) -> Record {
        let doc = AudienceDoc {
            name: name.parse().unwrap(),
            signing_alg: Default::default(),
            served_by,
            max_feed_age_seconds: 30,
            max_feed_age_irreversible_seconds: 5,
            description: String::new(),
        };
        self.create(&user.permit, name, None, doc)
    }

    pub fn identity(&self, user: &User, name: &str, project: &Record, audience: &Record) -> Record {
        let project_name = &project.project().unwrap().name;
        let doc = IdentityDoc {
            kind: Kind::Pipeline,
            name: name.parse().unwrap(),
            subject: format!("pipeline://{project_name}/{name}"),
            client_id: format!("client-{name}"),
            project_id: project.id.cast(),
            sponsor: Party::User(user.id),
            pending_sponsor: None,
            owner: Party::User(user.id),
            managers: vec![user.id],
            purpose: "releases".to_owned(),
            description: String::new(),
            environments: vec!["production".parse().unwrap()],
            audiences: vec![audience.id.cast()],
            resources: Vec::new(),
            allowed_actions: actions(&["artifact.read", "deploy.release", "deploy.rollback"]),
            denied_actions: actions(&["identity.admin"]),
            roles: Vec::new(),
            token_ttl_seconds: 600,
            requires_approval: true,
            approval_rule: ApprovalRule::default(),
            impersonators: Vec::new(),
            trust_model: None,
            expires_at: self.now() + Seconds::days(365),
            orphan_grace_until: None,
            review: None,
            defaulted: Default::default(),
            created_by: user.id,
            confirmed: None,
            status_reason: None,
            metadata: Default::default(),
        };
        self.create(&user.permit, name, Some(project.id), doc)
    }

    pub fn trust(&self, user: &User, identity: &Record, issuer: &Record) -> Record {
        let one = |value: &str| Accepted::One(value.to_owned());
        let rule = TrustRule {
            issuer_id: issuer.id.cast(),
            environments: vec!["production".parse().unwrap()],
            matches: [
                ("repository_id".to_owned(), one("456789")),
                ("repository_owner_id".to_owned(), one("123456")),
                ("environment".to_owned(), one("production")),
            ]
            .into(),
        };
        let doc = CredentialDoc {
            identity_id: identity.id.cast(),
            label: String::new(),
            secret: CredentialSecret::TrustRule(rule),
            created_by: Some(user.id),
            expires_at: None,
            revoked_because: None,
        };
        let name = format!("trust-{}", identity.name);
        self.create(&user.permit, &name, Some(identity.id), doc)
    }

    /// Says that an account at the CI is this person's.
    pub fn link(&self, owner: &User, user: &User, subject: &str) -> Record {
        let doc = LinkedAccountDoc {
            issuer: CI.to_owned(),
            subject: subject.to_owned(),
            user_id: user.id,
            set_by: owner.id,
            held_before: Vec::new(),
        };
        self.create(
            &owner.permit,
            &LinkedAccountDoc::key(CI, subject),
            Some(user.id.cast()),
            doc,
        )
    }
}
