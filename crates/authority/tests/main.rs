//! The application as its callers see it, without a network, on both databases.

mod approvals_changes;
mod approvals_deciding;
mod approvals_new_approvers;
mod approvals_opening;
mod approvals_records;
mod approvals_redeeming;
mod approvals_world;
mod buffers;
mod departures;
mod evaluation;
mod evidence_search;
mod findings;
mod hand_overs;
mod impersonation;
mod manifest_schema;
mod notices;
mod registry_apply;
mod registry_approvers;
mod registry_credentials;
mod registry_identities;
mod registry_people;
mod registry_rails;
mod registry_revocations;
mod registry_world;
mod reviews;

#[test]
fn every_file_of_this_directory_is_part_of_the_program() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let program = std::fs::read_to_string(format!("{directory}/main.rs")).unwrap();
    for file in std::fs::read_dir(directory).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else {
            continue;
        };
        assert!(
            program.contains(&format!("mod {module};")),
            "tests/main.rs has no `mod {module};`"
        );
    }
}
