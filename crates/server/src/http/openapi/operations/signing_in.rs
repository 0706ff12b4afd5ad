//! Signing people in, and their sign-ins.

use countersign_api::{
    console::Console,
    device_authorizations::{BeginDevice, DeviceAuthorization, DeviceCodes, UserCode},
    invitations::{CreateInvitation, Invitation, Invitations},
    passkeys::{
        AskedPasskey, BeginPasskey, EnrolInBrowser, FinishLogin, FinishPasskey, Nothing,
        PasskeyLink, Passkeys,
    },
    sessions::{CreateSession, CreatedSession, CurrentSession, Sessions},
};

use super::super::{Operation, Schemas};

pub(super) fn signing_in(s: &mut Schemas) -> Vec<Operation> {
    let mut rows = sessions(s);
    rows.extend(devices(s));
    rows.extend(passkeys(s));
    rows.extend(invitations(s));
    rows.extend(pages(s));
    rows
}

fn sessions(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::post(
            "/api/sessions",
            "sessions.create",
            "signs a person in with a one-time code",
        )
        .open()
        .body::<CreateSession>(s)
        .answers::<CreatedSession>(201, s),
        Operation::get(
            "/api/sessions",
            "sessions.list",
            "the caller's sign-ins that last",
        )
        .answers::<Sessions>(200, s),
        Operation::get(
            "/api/sessions/current",
            "sessions.current",
            "who the caller is",
        )
        .answers::<CurrentSession>(200, s),
        Operation::delete("/api/sessions/current", "sessions.delete", "signs out").nothing(204),
        Operation::delete(
            "/api/sessions/{id}",
            "sessions.end",
            "ends one of the caller's sign-ins",
        )
        .nothing(204),
        Operation::get(
            "/api/console",
            "sessions.console",
            "who is signed in to this browser",
        )
        .answers::<Console>(200, s),
    ]
}

fn devices(s: &mut Schemas) -> Vec<Operation> {
    let own = "/api/device-authorizations";
    vec![
        Operation::post(
            "/oauth2/device_authorization",
            "device-authorizations.begin",
            "a command line begins to wait for a person (RFC 8628)",
        )
        .open()
        .form::<BeginDevice>(s)
        .answers::<DeviceCodes>(200, s),
        Operation::post(
            format!("{own}/show"),
            "device-authorizations.show",
            "who waits with a code",
        )
        .body::<UserCode>(s)
        .answers::<DeviceAuthorization>(200, s),
        Operation::post(
            format!("{own}/confirm"),
            "device-authorizations.confirm",
            "lets a command line act for the caller",
        )
        .body::<UserCode>(s)
        .answers::<DeviceAuthorization>(200, s),
        Operation::post(
            format!("{own}/deny"),
            "device-authorizations.deny",
            "turns a command line away",
        )
        .body::<UserCode>(s)
        .answers::<DeviceAuthorization>(200, s),
    ]
}

fn passkeys(s: &mut Schemas) -> Vec<Operation> {
    let own = "/api/passkeys";
    vec![
        Operation::post(
            own,
            "passkeys.offer",
            "a link that makes a passkey for the caller",
        )
        .body::<Nothing>(s)
        .answers::<PasskeyLink>(201, s),
        Operation::get(own, "passkeys.list", "the caller's passkeys").answers::<Passkeys>(200, s),
        Operation::delete(
            format!("{own}/{{id}}"),
            "passkeys.remove",
            "one of the caller's passkeys is no more",
        )
        .nothing(204),
    ]
}

fn invitations(s: &mut Schemas) -> Vec<Operation> {
    let own = "/api/invitations";
    vec![
        Operation::post(
            own,
            "invitations.create",
            "invites the person of an address",
        )
        .body::<CreateInvitation>(s)
        .answers::<Invitation>(201, s),
        Operation::get(
            own,
            "invitations.list",
            "the open invitations that the caller may see",
        )
        .answers::<Invitations>(200, s),
        Operation::delete(
            format!("{own}/{{id}}"),
            "invitations.revoke",
            "takes an invitation back",
        )
        .nothing(204),
    ]
}

/// What browsers call.
fn pages(s: &mut Schemas) -> Vec<Operation> {
    let page = |path: &str, id: &str, summary: &str| {
        Operation::get(path, id, summary).open().other("text/html")
    };
    vec![
        page("/login", "pages.login", "where a passkey signs a person in"),
        Operation::post(
            "/login/begin",
            "pages.login_begin",
            "asks a browser for a passkey",
        )
        .open()
        .body::<Nothing>(s)
        .answers::<AskedPasskey>(200, s),
        Operation::post(
            "/login/finish",
            "pages.login_finish",
            "an answer that holds becomes a session",
        )
        .open()
        .body::<FinishLogin>(s)
        .nothing(204),
        Operation::post(
            "/login/provider",
            "pages.provider_begin",
            "sends a browser to the company's provider",
        )
        .open()
        .other("text/html"),
        page(
            "/login/callback",
            "pages.provider_callback",
            "where the company's provider sends a browser back to",
        ),
        Operation::post(
            "/login/backchannel",
            "pages.provider_logout",
            "the company's provider ends sessions (OpenID Connect Back-Channel Logout)",
        )
        .open()
        .nothing(200),
        Operation::post("/logout", "pages.logout", "ends a browser's session")
            .open()
            .nothing(303),
        page(
            "/device",
            "pages.device",
            "where a person types the code of a command line",
        ),
        Operation::post(
            "/device",
            "pages.device_answer",
            "shows who asks, or does what the person says",
        )
        .open()
        .other("text/html"),
        page(
            "/passkeys",
            "pages.passkeys",
            "where a link makes a passkey",
        ),
        Operation::post(
            "/passkeys/enrol",
            "pages.passkeys_enrol",
            "uses a one-time code up, for a link that makes a passkey",
        )
        .open()
        .body::<EnrolInBrowser>(s)
        .answers::<PasskeyLink>(201, s),
        Operation::post(
            "/passkeys/begin",
            "pages.passkeys_begin",
            "asks a browser for a new passkey",
        )
        .open()
        .body::<BeginPasskey>(s)
        .answers::<AskedPasskey>(200, s),
        Operation::post(
            "/passkeys/finish",
            "pages.passkeys_finish",
            "keeps what the browser made",
        )
        .open()
        .body::<FinishPasskey>(s)
        .nothing(204),
        page("/", "pages.console", "the console"),
        Operation::get(
            "/assets/{file}",
            "pages.console_file",
            "a file of the console, which never changes under its name",
        )
        .open()
        .other("application/octet-stream"),
        Operation::get("/assets/page.css", "pages.style", "how the pages look")
            .open()
            .other("text/css"),
        Operation::get(
            "/assets/passkey.js",
            "pages.script",
            "what the pages do with passkeys",
        )
        .open()
        .other("text/javascript"),
    ]
}
