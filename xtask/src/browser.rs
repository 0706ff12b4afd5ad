//! A real browser on a real server: Chromium of the system's packages, driven by the suite in `tests/browser`.

use std::path::PathBuf;

use crate::node;
use crate::packages;
use crate::process::{self, Failure};
use crate::report::Done;

/// The step of the test run. Its pictures stay below the folder for build output.
pub fn check() -> Result<Done, Failure> {
    let folder = process::root().join(FOLDER);
    let node = match node::find().and_then(|node| node.fetch(&folder).map(|()| node)) {
        Ok(node) => node,
        Err(missing) => return Ok(missing),
    };
    let Some(chromium) = chromium()? else {
        return Ok(Done::Unchecked(
            "Chromium is needed: install the package `chromium`".to_owned(),
        ));
    };
    process::cargo(&["build", "--locked", "--package", "countersign-cli"]).run()?;
    let pictures = process::target().join("browser");
    node.script_with(
        &folder,
        "test",
        &[
            (
                "COUNTERSIGN_PROGRAM",
                process::target().join("debug/countersign"),
            ),
            ("COUNTERSIGN_PICTURES", pictures.clone()),
            ("COUNTERSIGN_TEST_CHROMIUM", chromium),
        ],
    )?;
    Ok(Done::Noted(format!("pictures in {}", pictures.display())))
}

/// The browser, installed where that needs no question.
fn chromium() -> Result<Option<PathBuf>, Failure> {
    if let Some(found) = process::find("chromium") {
        return Ok(Some(found));
    }
    if packages::can_install() {
        packages::install(&["chromium"])?;
    }
    Ok(process::find("chromium"))
}

const FOLDER: &str = "tests/browser";
