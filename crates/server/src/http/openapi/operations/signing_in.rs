//! Signing people in, and their sign-ins.

use countersign_api::{
    device_authorizations::{BeginDevice, DeviceAuthorization, DeviceCodes, UserCode},
    sessions::{CreateSession, CreatedSession, CurrentSession, Sessions},
};

use super::super::{Operation, Schemas};

pub(super) fn signing_in(s: &mut Schemas) -> Vec<Operation> {
    let mut rows = sessions(s);
    rows.extend(devices(s));
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
        Operation::get(
            "/device",
            "pages.device",
            "where a person confirms the code of a command line",
        )
        .open()
        .other("text/html"),
    ]
}
