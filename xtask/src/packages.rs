//! Packages of the operating system: installed where that needs no question, named where it does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use crate::process::{self, Failure, Program};
use crate::toolchain;

/// True when packages can be installed here without asking anybody.
pub fn can_install() -> bool {
    process::find("apt-get").is_some() && (is_root() || has_sudo())
}

/// Installs `names` from the system's packages.
pub fn install(names: &[&str]) -> Result<(), Failure> {
    println!(
        "    installing {} from the system's packages",
        names.join(", ")
    );
    refresh();
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend_from_slice(names);
    apt(&arguments).limit(INSTALL_LIMIT).run().map_err(|_| {
        let names = names.join(" ");
        Failure::new(format!(
            "`apt-get install {names}` did not succeed, and says why above"
        ))
    })
}

/// Installs `names`, whose packaging would start the services `units`: they are neither started now nor when the machine
/// starts. A machine that has them already was asked by somebody else, and is left as it is.
pub fn install_without_services(names: &[&str], units: &[&str]) -> Result<(), Failure> {
    let prepared = as_root("sh").args(&["-c", MASK, "mask"]).args(units);
    prepared.run()?;
    let installed = install(names);
    as_root("sh").args(&["-c", ALLOW_AGAIN]).run()?;
    installed
}

/// Brings the list of packages up to date, once: a bare machine has none.
fn refresh() {
    static ONCE: Once = Once::new();
    // A stale list is no reason to stop: the installation itself says what is missing.
    ONCE.call_once(|| drop(apt(&["update", "-q"]).limit(UPDATE_LIMIT).run()));
}

/// Major and minor version that the system's packages would install, where they can be installed.
pub fn candidate(name: &str) -> Option<(u32, u32)> {
    if !can_install() {
        return None;
    }
    refresh();
    let told = process::program("apt-cache")
        .args(&["policy", name])
        .output()
        .ok()?;
    let line = told
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    toolchain::version(line.rsplit_once(':').map_or(line, |(_, version)| version))
}

/// Keeps Debian's packaging from making and starting a cluster when the server is installed.
pub fn refuse_main_cluster() -> Result<(), Failure> {
    let file = Path::new(CREATE_CLUSTER);
    if file.exists() {
        return Ok(());
    }
    let script = format!(
        "mkdir -p \"$(dirname {CREATE_CLUSTER})\" && echo 'create_main_cluster = false' > {CREATE_CLUSTER}"
    );
    as_root("sh").args(&["-c", &script]).run()
}

/// True when we run as root.
pub fn is_root() -> bool {
    // The owner of our own entry is who we are; without /proc, `id` tells.
    #[cfg(target_os = "linux")]
    if let Ok(data) = fs::metadata("/proc/self") {
        return std::os::unix::fs::MetadataExt::uid(&data) == 0;
    }
    process::program("id")
        .args(&["-u"])
        .output()
        .is_ok_and(|told| told.trim() == "0")
}

fn has_sudo() -> bool {
    let status = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn apt(arguments: &[&str]) -> Program {
    as_root("env")
        .args(&["DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(&[
            "-o",
            "DPkg::Lock::Timeout=120",
            "-o",
            "Dpkg::Options::=--force-confold",
        ])
        .args(arguments)
}

fn as_root(name: &str) -> Program {
    if is_root() {
        process::program(name)
    } else {
        process::program("sudo").args(&["-n", name])
    }
}

/// Masks services that nobody has configured, and says no to whoever starts one without systemd (Debian Policy §9.3.3.2) while
/// the package is installed. A machine that says no already, as containers do, goes on saying so.
const MASK: &str = r#"
set -e
mkdir -p /etc/systemd/system
for unit in "$@"; do
    [ -e "/etc/systemd/system/$unit" ] || [ -h "/etc/systemd/system/$unit" ] || ln -s /dev/null "/etc/systemd/system/$unit"
done
if ! [ -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\n# of countersign, while a package is installed\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
fi
"#;

/// Takes our own no back.
const ALLOW_AGAIN: &str =
    "if grep -q '^# of countersign,' /usr/sbin/policy-rc.d; then rm /usr/sbin/policy-rc.d; fi";

const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";
const UPDATE_LIMIT: Duration = Duration::from_secs(180);
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
