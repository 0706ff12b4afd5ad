//! Keys that actions read, and what encrypts them.

use countersign_api::{
    keys::{DataKeyList, Key, KeyHistory, KeyValue, ListKeys, PutKey, RotateDataKey, RotateKey},
    reference::Why,
};

use super::super::{Operation, Schemas};

pub(super) fn keys(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::get("/api/keys", "keys.list", "keys, without their values")
            .query::<ListKeys>(s)
            .page::<Key>(s),
        Operation::get(
            "/api/keys/{id}",
            "keys.value",
            "the value, for an execution whose action declares the key",
        )
        .answers::<KeyValue>(200, s),
        Operation::put(
            "/api/keys/{id}",
            "keys.put",
            "makes a key, or the next version of its value",
        )
        .tagged()
        .keyed()
        .body::<PutKey>(s)
        .answers::<Key>(200, s)
        .answers::<Key>(201, s),
        Operation::delete(
            "/api/keys/{id}",
            "keys.delete",
            "deletes a key with every version of its value",
        )
        .tagged()
        .query::<Why>(s)
        .nothing(204),
        Operation::post(
            "/api/keys/{id}/rotate",
            "keys.rotate",
            "the next version of a value",
        )
        .tagged()
        .keyed()
        .body::<RotateKey>(s)
        .answers::<Key>(200, s),
        Operation::get(
            "/api/keys/{id}/history",
            "keys.history",
            "the versions of a key, and who read it",
        )
        .answers::<KeyHistory>(200, s),
        Operation::get(
            "/api/data-keys",
            "data-keys.list",
            "what values are encrypted with",
        )
        .answers::<DataKeyList>(200, s),
        Operation::post(
            "/api/data-keys/rotate",
            "data-keys.rotate",
            "makes a new data key, and puts everything under it",
        )
        .body::<RotateDataKey>(s)
        .answers::<DataKeyList>(200, s),
    ]
}
