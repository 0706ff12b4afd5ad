//! The program that measures runs to its end on both databases, so that figures can be taken on the day they are asked for.

use std::process::Command;

use countersign_testkit::databases;

#[test]
fn every_figure_of_the_server_can_be_taken_on_each_database() {
    for database in databases() {
        let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
        // One second a figure, on a handful of records: what it says means nothing, that it ends well does.
        bench.args(["--seconds", "1", "--identities", "2", "--connections", "2"]);
        bench.args(["--records", "20", "--only", "record,ready,evaluation"]);
        if let Some(url) = database.url() {
            bench.args(["--database", url]);
        }
        let done = bench.output().unwrap();
        let (out, errors) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        let engine = database.engine();
        assert!(done.status.success(), "{engine}: {out}\n{errors}");
        for figure in [
            "| record closure",
            "ready on an empty directory",
            "| evaluation",
            "| evaluation, filled",
            "ready on the data of the second round",
        ] {
            assert!(
                out.contains(figure),
                "{engine}: no {figure} in {out}\n{errors}"
            );
        }
        assert!(!errors.contains("panicked"), "{engine}: {errors}");
    }
}
