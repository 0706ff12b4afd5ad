//! The server as others see it: through HTTP, on both databases.

mod api_decisions;
mod api_reasons;
mod api_registry;
mod archive;
mod attacks_approvals;
mod attacks_approvers;
mod attacks_directory;
mod attacks_found;
mod attacks_guessing;
mod attacks_introspection;
mod attacks_issuers;
mod attacks_log;
mod attacks_people;
mod attacks_resources;
mod attacks_revocations;
mod attacks_secrets;
mod attacks_tenants;
mod attacks_tokens;
mod attacks_widening;
mod automation;
mod automation_attacks;
mod automation_countersigned;
mod automation_world;
mod billing;
mod bound_tokens;
mod client_certificates;
mod console;
mod defined_scopes;
mod departures;
mod device_login;
mod edges;
mod imports;
mod incidents;
mod invariants;
mod invariants_evidence;
mod invariants_refusals;
mod invitations;
mod key_file;
mod keys;
mod keys_read;
mod keys_second_person;
mod long_lived_attacks;
mod long_lived_bounds;
mod long_lived_renewal;
mod long_lived_tokens;
mod long_lived_watch;
mod notices;
mod operating;
mod passkeys;
mod provider;
mod publishing;
mod queue;
mod restore;
mod scim;
mod seeds;
mod serving;
mod sign_ins;
mod stock_clients;
mod story;
mod two_replicas;
mod webhook_signatures;
mod wire_client_credentials;
mod wire_exchange;
mod wire_impersonation;
mod wire_metadata;
mod wire_private_key_jwt;
mod wire_run_identity;
mod wire_run_platforms;
mod world;

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
