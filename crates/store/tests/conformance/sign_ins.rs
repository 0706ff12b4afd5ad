//! People's sign-ins, their refresh tokens, and command lines that wait.

use countersign_model::{
    device::{DeviceDoc, DeviceRequest, DeviceState},
    id::{self, Id},
    invitation::{IntoProject, Invitation, InvitationDoc},
    passkey::{Ceremony, CeremonyDoc, Passkey, PasskeyDoc},
    registry::{ProjectRole, TenantRole},
    session::{Before, Ended, Refreshing, Session, SessionDoc},
    token::Generation,
};
use countersign_store::{
    WriteMode, devices, invitations, passkeys,
    sessions::{self, RefreshToken},
};

use crate::support::{at, id, on_each, read, write};

fn session(user_id: Id<id::User>, ends: i64) -> Session {
    Session {
        id: id(),
        tenant_id: id(),
        user_id,
        version: 1,
        created_at: at(1),
        ends_at: at(ends),
        doc: SessionDoc {
            method: "passkey".to_owned(),
            auth_time: 7,
            host_name: Some("laptop".to_owned()),
            address: Some("192.0.2.1".to_owned()),
            generation: Generation {
                tenant: 2,
                identity: 3,
                ..Generation::default()
            },
            txn: id(),
            entered: id(),
            seen_at: Some(at(2)),
            came_of: vec![id()],
            jkt: None,
            refresh: Some(Refreshing {
                current: "two".to_owned(),
                token: id(),
                before: Some(Before {
                    id: "one".to_owned(),
                    used_at: at(3),
                    address: None,
                    repeats: 1,
                }),
            }),
            provider: None,
            ended: Some(Ended {
                at: at(4),
                reason: "signed out".to_owned(),
            }),
        },
    }
}

fn waiting(name: &str, user_code: u8, expires: i64) -> DeviceRequest {
    DeviceRequest {
        id: name.to_owned(),
        tenant_id: id(),
        hash: [9; 32],
        user_code: [user_code; 32],
        version: 1,
        expires_at: at(expires),
        doc: DeviceDoc {
            dpop_jkt: None,
            requested_at: at(1),
            host_name: None,
            address: Some("192.0.2.1".to_owned()),
            ttl_seconds: 60,
            interval_seconds: 5,
            asked_at: Some(at(2)),
            state: DeviceState::Waiting,
        },
    }
}

#[test]
fn a_session_is_kept_whole_and_written_by_one_at_a_time() {
    on_each(|store| {
        let user = id();
        let first = session(user, 100);
        let (inserted, over) = (first.clone(), session(user, 10));
        write(store, move |tx| sessions::insert(tx, &inserted));
        write(store, move |tx| sessions::insert(tx, &over));
        let by_id = first.id;
        assert_eq!(
            read(store, move |tx| sessions::by_id(tx, by_id)),
            Some(first.clone())
        );
        let live = read(store, move |tx| sessions::of_user(tx, user, at(50)));
        assert_eq!(
            live,
            std::slice::from_ref(&first),
            "what is over is not listed"
        );
        let stale = first.clone();
        let mut next = first;
        next.ends_at = at(60);
        next.doc.refresh = None;
        let written = next.clone();
        assert!(write(store, move |tx| sessions::update(tx, &written)));
        assert!(
            !write(store, move |tx| sessions::update(tx, &stale)),
            "somebody was faster"
        );
        let kept = read(store, move |tx| sessions::by_id(tx, by_id)).unwrap();
        assert_eq!(kept, Session { version: 2, ..next });
        let pruned = write(store, |tx| sessions::prune(tx, at(55), 10));
        assert_eq!(pruned, 1);
        assert!(read(store, move |tx| sessions::by_id(tx, by_id)).is_some());
    });
}

#[test]
fn a_refresh_token_is_found_by_its_public_half_until_its_session_is_over() {
    on_each(|store| {
        let token = RefreshToken {
            id: "AbC".to_owned(),
            session_id: id(),
            hash: [5; 32],
            until: at(10),
        };
        let inserted = token.clone();
        write(store, move |tx| sessions::insert_token(tx, &inserted));
        assert_eq!(
            read(store, |tx| sessions::token_by_id(tx, "AbC")),
            Some(token)
        );
        assert_eq!(read(store, |tx| sessions::token_by_id(tx, "abc")), None);
        assert_eq!(write(store, |tx| sessions::prune_tokens(tx, at(10), 10)), 0);
        assert_eq!(write(store, |tx| sessions::prune_tokens(tx, at(11), 10)), 1);
    });
}

#[test]
fn a_user_code_is_in_use_once_and_is_found_while_it_is() {
    on_each(|store| {
        let first = waiting("first", 1, 10);
        let (inserted, taken) = (first.clone(), waiting("second", 1, 20));
        assert!(write(store, move |tx| devices::insert(tx, &inserted)));
        assert!(!write(store, move |tx| devices::insert(tx, &taken)));
        assert_eq!(read(store, |tx| devices::count_open(tx, at(9))), 1);
        assert_eq!(read(store, |tx| devices::count_open(tx, at(10))), 0);
        let by_code = read(store, |tx| devices::by_user_code(tx, &[1; 32]));
        assert_eq!(by_code, Some(first.clone()));
        let mut next = first.clone();
        next.doc.state = DeviceState::Denied;
        let written = next.clone();
        assert!(write(store, move |tx| devices::update(tx, &written)));
        assert!(!write(store, move |tx| devices::update(tx, &first)));
        assert_eq!(
            read(store, |tx| devices::by_id(tx, "first")),
            Some(DeviceRequest { version: 2, ..next })
        );
        assert_eq!(write(store, |tx| devices::prune(tx, at(11), 10)), 1);
    });
}

#[test]
fn a_credential_is_registered_once_and_a_question_is_answered_once() {
    on_each(|store| {
        let user_id = id();
        let first = Passkey {
            id: id(),
            tenant_id: id(),
            user_id,
            credential_id: vec![1, 2, 3],
            created_at: at(1),
            doc: PasskeyDoc {
                name: "ring".to_owned(),
                key: "{}".to_owned(),
                used_at: None,
            },
        };
        let (inserted, other) = (
            first.clone(),
            Passkey {
                id: id(),
                ..first.clone()
            },
        );
        assert!(write(store, move |tx| passkeys::insert(tx, &inserted)));
        assert!(!write(store, move |tx| passkeys::insert(tx, &other)));
        let mut used = first;
        used.doc.used_at = Some(at(5));
        let updated = used.clone();
        assert!(write(store, move |tx| passkeys::update(tx, &updated)));
        assert_eq!(
            read(store, |tx| passkeys::by_credential(tx, &[1, 2, 3])),
            Some(used.clone())
        );
        let own = read(store, move |tx| passkeys::of_user(tx, user_id));
        assert_eq!(own, std::slice::from_ref(&used));
        let gone = used.id;
        assert!(write(store, move |tx| passkeys::delete(tx, gone)));
        assert!(!write(store, move |tx| passkeys::delete(tx, gone)));

        let question = Ceremony {
            id: id(),
            tenant_id: id(),
            expires_at: at(10),
            doc: CeremonyDoc::Authenticate("state".to_owned()),
        };
        let (asked, name) = (question.clone(), question.id);
        write(store, move |tx| passkeys::ask(tx, &asked));
        assert_eq!(
            read(store, move |tx| passkeys::asked(tx, name)),
            Some(question.clone())
        );
        let tenant_id = question.tenant_id;
        for (tenant_id, waiting) in [(tenant_id, 1), (id(), 0)] {
            let counted = read(store, move |tx| passkeys::count_asked(tx, tenant_id, at(9)));
            assert_eq!(counted, waiting);
        }
        assert!(write(store, move |tx| passkeys::answered(tx, name)));
        assert!(!write(store, move |tx| passkeys::answered(tx, name)));
        let of_nobody = question.clone();
        write(store, move |tx| passkeys::ask(tx, &question));
        let [first, second] = [user_id; 2].map(|user_id| Ceremony {
            id: id(),
            doc: CeremonyDoc::Register {
                user_id,
                evidence: id(),
                state: "state".to_owned(),
            },
            ..of_nobody.clone()
        });
        let (replaced, replacing) = (first.id, second.id);
        write(store, move |tx| passkeys::ask(tx, &first));
        write(store, move |tx| passkeys::ask(tx, &second));
        assert_eq!(read(store, move |tx| passkeys::asked(tx, replaced)), None);
        assert!(read(store, move |tx| passkeys::asked(tx, replacing)).is_some());
        let counted = read(store, move |tx| passkeys::count_asked(tx, tenant_id, at(9)));
        assert_eq!(counted, 1);
        assert_eq!(write(store, |tx| passkeys::prune(tx, at(11), 10)), 2);
        assert_eq!(read(store, move |tx| passkeys::asked(tx, name)), None);
    });
}

#[test]
fn one_person_is_asked_many_times_at_once_and_the_last_question_waits() {
    on_each(|store| {
        let user_id = id();
        let question = |number: usize| Ceremony {
            id: id(),
            tenant_id: id(),
            expires_at: at(10),
            doc: CeremonyDoc::Register {
                user_id,
                evidence: id(),
                state: number.to_string(),
            },
        };
        let asked: Vec<_> = (0..64)
            .map(|number| {
                let question = question(number);
                store.write(WriteMode::Housekeeping, move |tx| {
                    passkeys::ask(tx, &question)
                })
            })
            .collect();
        for one in asked {
            one.wait().unwrap();
        }
        assert_eq!(write(store, |tx| passkeys::prune(tx, at(11), 100)), 1);
    });
}

#[test]
fn an_address_has_one_invitation_which_goes_once() {
    on_each(|store| {
        let tenant_id = id();
        let made = |email: &str, expires: i64| Invitation {
            id: id(),
            tenant_id,
            email: email.parse().unwrap(),
            created_at: at(1),
            expires_at: at(expires),
            doc: InvitationDoc {
                invited_by: id(),
                user_id: id(),
                evidence: id(),
                role: TenantRole::Member,
                project: Some(IntoProject {
                    project_id: id(),
                    role: ProjectRole::Editor,
                }),
                mailed: true,
            },
        };
        let (kim, lee) = (made("kim@example.com", 10), made("lee@example.com", 20));
        let again = made("kim@example.com", 30);
        let elsewhere = Invitation {
            tenant_id: id(),
            ..again.clone()
        };
        for (invitation, fits) in [
            (&lee, true),
            (&kim, true),
            (&again, false),
            (&elsewhere, true),
        ] {
            let one = invitation.clone();
            assert_eq!(write(store, move |tx| invitations::insert(tx, &one)), fits);
        }
        let found = read(store, move |tx| {
            invitations::by_email(tx, tenant_id, "kim@example.com")
        });
        assert_eq!(found, Some(kim.clone()));
        let name = lee.id;
        assert_eq!(
            read(store, move |tx| invitations::by_id(tx, name)),
            Some(lee.clone())
        );
        let all = read(store, move |tx| invitations::of_tenant(tx, tenant_id, 10));
        assert_eq!(all, [kim, lee]);
        assert_eq!(write(store, |tx| invitations::prune(tx, at(9), 10)), 0);
        assert_eq!(write(store, |tx| invitations::prune(tx, at(10), 10)), 1);
        assert!(write(store, move |tx| invitations::delete(tx, name)));
        assert!(!write(store, move |tx| invitations::delete(tx, name)));
    });
}
