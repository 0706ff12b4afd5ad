//! What the company's directory calls (SCIM, RFC 7644).

use super::super::Operation;

pub(super) fn directory() -> Vec<Operation> {
    let mut rows = vec![
        about(
            "ServiceProviderConfig",
            "scim.config",
            "what the service of SCIM does",
        ),
        about(
            "ResourceTypes",
            "scim.resource_types",
            "the resources of SCIM",
        ),
        about(
            "ResourceTypes/{id}",
            "scim.resource_type",
            "one kind of resource of SCIM",
        ),
        about(
            "Schemas",
            "scim.schemas",
            "of what the resources of SCIM are made",
        ),
        about(
            "Schemas/{id}",
            "scim.schema",
            "of what one kind of resource of SCIM is made",
        ),
    ];
    for (noun, of) in [("Users", "people"), ("Groups", "teams of the directory")] {
        rows.extend(resource(noun, of));
    }
    rows
}

fn about(path: &str, id: &str, summary: &str) -> Operation {
    Operation::get(format!("/scim/v2/{path}"), id, summary)
        .open()
        .other(SCIM)
}

fn resource(noun: &str, of: &str) -> Vec<Operation> {
    let all = format!("/scim/v2/{noun}");
    let one = format!("{all}/{{id}}");
    let id = |verb: &str| format!("scim.{}_{verb}", noun.to_lowercase());
    let told = |verb: &str| format!("{verb}, for the company's directory: {of}");
    vec![
        Operation::get(&all, &id("list"), &told("lists")).other(SCIM),
        Operation::post(&all, &id("create"), &told("makes")).other(SCIM),
        Operation::get(&one, &id("show"), &told("shows")).other(SCIM),
        Operation::put(&one, &id("replace"), &told("replaces")).other(SCIM),
        Operation::patch(&one, &id("patch"), &told("changes")).other(SCIM),
        Operation::delete(&one, &id("delete"), &told("deletes")).nothing(204),
    ]
}

const SCIM: &str = "application/scim+json";
