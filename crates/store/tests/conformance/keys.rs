//! Values of keys, what seals them, and the key file.

use countersign_model::id::{self, Id};
use countersign_store::{
    WriteMode,
    data_keys::{self, DataKey},
    key_file::{self, KeyFileRow},
    key_values::{self, KeyValue, Version},
    signing_keys::{self, SigningKey},
};

use crate::support::{at, id, on_each, read, write};

fn data_key(tenant_id: Id<id::Tenant>) -> DataKey {
    DataKey {
        id: id(),
        tenant_id,
        wrapped: vec![7, 0, 255],
        created_at: at(1),
        retired_at: None,
    }
}

fn value(key_id: Id<id::Key>, version: u32, data_key_id: Id<id::DataKey>) -> KeyValue {
    KeyValue {
        key_id,
        version,
        tenant_id: id(),
        data_key_id,
        sealed: vec![9, 0, 254],
        created_at: at(i64::from(version)),
        created_by: id(),
    }
}

#[test]
fn a_tenant_has_one_data_key_that_is_not_retired() {
    on_each(|store| {
        let tenant = id();
        let (one, two) = (data_key(tenant), data_key(tenant));
        let (first, second) = (one.clone(), two.clone());
        write(store, move |tx| data_keys::insert(tx, &first));
        let again = second.clone();
        let refused = store.write(WriteMode::Serializable, move |tx| {
            data_keys::insert(tx, &again)
        });
        assert!(refused.wait().is_err(), "a second one");
        let ended = one.id;
        assert!(!write(store, move |tx| data_keys::remove(tx, ended)));
        assert!(write(store, move |tx| data_keys::retire(tx, ended, at(5))));
        assert!(!write(store, move |tx| data_keys::retire(tx, ended, at(6))));
        write(store, move |tx| data_keys::insert(tx, &second));
        let other = data_key(id());
        let apart = other.clone();
        write(store, move |tx| data_keys::insert(tx, &apart));
        let retired = DataKey {
            retired_at: Some(at(5)),
            ..one.clone()
        };
        let mut both = vec![retired.clone(), two];
        both.sort_by_key(|key| key.id);
        assert_eq!(
            read(store, move |tx| data_keys::of_tenant(tx, tenant)),
            both
        );
        assert_eq!(read(store, data_keys::all).len(), 3);
        assert_eq!(
            read(store, move |tx| data_keys::by_id(tx, ended)),
            Some(retired.clone())
        );
        let (before, late) = (retired.clone(), retired.clone());
        assert!(write(store, move |tx| data_keys::rewrap(tx, &before, &[1])));
        assert!(!write(store, move |tx| data_keys::rewrap(tx, &late, &[2])));
        assert!(write(store, move |tx| data_keys::remove(tx, ended)));
        assert_eq!(read(store, move |tx| data_keys::by_id(tx, ended)), None);
        assert!(!format!("{one:?}").contains("255"));
    });
}

#[test]
fn a_value_is_read_by_version_and_put_under_another_data_key_once() {
    on_each(|store| {
        let (key, old, new) = (id(), id(), id());
        let values: Vec<_> = (1..=3).map(|version| value(key, version, old)).collect();
        for one in values.clone() {
            write(store, move |tx| key_values::insert(tx, &one));
        }
        let elsewhere = value(id(), 1, new);
        let apart = elsewhere.clone();
        write(store, move |tx| key_values::insert(tx, &apart));
        assert_eq!(
            read(store, move |tx| key_values::find(tx, key, 2)),
            Some(values[1].clone())
        );
        assert_eq!(read(store, move |tx| key_values::find(tx, key, 4)), None);
        let listed: Vec<_> = values.iter().rev().map(known).collect();
        assert_eq!(read(store, move |tx| key_values::versions(tx, key)), listed);
        assert_eq!(
            read(store, move |tx| key_values::under(tx, old, 2)).len(),
            2
        );
        let before = values[0].clone();
        let late = before.clone();
        assert!(write(store, move |tx| key_values::reseal(
            tx,
            &before,
            new,
            &[1]
        )));
        assert!(!write(store, move |tx| key_values::reseal(
            tx,
            &late,
            new,
            &[2]
        )));
        assert_eq!(
            read(store, move |tx| key_values::find(tx, key, 1)).map(|one| one.sealed),
            Some(vec![1])
        );
        assert_eq!(read(store, move |tx| key_values::count_under(tx, old)), 2);
        assert!(write(store, move |tx| key_values::remove(tx, key, 1)));
        assert!(!write(store, move |tx| key_values::remove(tx, key, 1)));
        assert_eq!(write(store, move |tx| key_values::remove_all(tx, key)), 2);
        let other = elsewhere.key_id;
        assert_eq!(
            read(store, move |tx| key_values::find(tx, other, 1)),
            Some(elsewhere)
        );
        assert!(!format!("{:?}", values[0]).contains("254"));
    });
}

#[test]
fn the_key_file_is_remembered_and_replaced_by_who_knows_it() {
    on_each(|store| {
        let row = |id: &str, pepper: Option<&[u8]>| KeyFileRow {
            id: id.to_owned(),
            pepper: pepper.map(<[u8]>::to_vec),
        };
        assert_eq!(read(store, key_file::find), None);
        for id in ["file-1", "file-2"] {
            assert_eq!(
                write(store, move |tx| key_file::remember(tx, id)),
                row("file-1", None)
            );
        }
        assert!(!write(store, |tx| key_file::replace(
            tx,
            "file-2",
            "file-3",
            &[1]
        )));
        assert!(write(store, |tx| key_file::replace(
            tx,
            "file-1",
            "file-3",
            &[1, 2]
        )));
        assert_eq!(
            read(store, key_file::find),
            Some(row("file-3", Some(&[1, 2])))
        );
    });
}

#[test]
fn a_signing_key_is_wrapped_anew_once() {
    on_each(|store| {
        let key = SigningKey {
            kid: "k1".to_owned(),
            tenant_id: id(),
            purpose: "access".to_owned(),
            alg: "ES256".to_owned(),
            wrapped: vec![1],
            public: "{}".to_owned(),
            state: "active".to_owned(),
            created_at: at(1),
            activates_at: at(1),
            retires_at: None,
        };
        let (one, before, late) = (key.clone(), key.clone(), key);
        write(store, move |tx| signing_keys::insert(tx, &one));
        assert!(write(store, move |tx| signing_keys::rewrap(
            tx,
            &before,
            &[2]
        )));
        assert!(!write(store, move |tx| signing_keys::rewrap(
            tx,
            &late,
            &[3]
        )));
        assert_eq!(read(store, signing_keys::all)[0].wrapped, [2]);
    });
}

fn known(value: &KeyValue) -> Version {
    Version {
        version: value.version,
        created_at: value.created_at,
        created_by: value.created_by,
    }
}
