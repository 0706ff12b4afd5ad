//! Whether a registry can be reached: tells an installation that went wrong from a machine that is offline.

use std::env;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use crate::process::Failure;
use crate::report::Done;

/// What becomes of a step whose tool could not be installed from `host`: a failure, unless this machine is offline.
pub fn not_installed(host: &str, failure: &Failure) -> Done {
    if is_reachable(host) {
        Done::Skipped(failure.to_string())
    } else {
        Done::Unchecked(format!("{failure} (offline: {host} cannot be reached)"))
    }
}

/// True when `host` takes connections for HTTPS. Behind a proxy nobody can tell, and it counts as reachable.
fn is_reachable(host: &str) -> bool {
    if PROXIES.iter().any(|name| env::var_os(name).is_some()) {
        return true;
    }
    let (done, waiting) = sync_channel(1);
    let host = host.to_owned();
    // Looking a name up has no time limit of its own; a thread that is late ends with us.
    thread::spawn(move || {
        let mut addresses = (host.as_str(), 443).to_socket_addrs().into_iter().flatten();
        let connected =
            addresses.any(|address| TcpStream::connect_timeout(&address, LIMIT).is_ok());
        // Nobody waits any more when it took too long.
        let _ = done.send(connected);
    });
    waiting.recv_timeout(LIMIT).unwrap_or(false)
}

const PROXIES: &[&str] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A registry that takes longer to answer is of no use either.
const LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_has_is_not_reachable() {
        if PROXIES.iter().all(|name| env::var_os(name).is_none()) {
            // RFC 6761 §6.4: never resolved.
            assert!(!is_reachable("registry.invalid"));
        }
    }
}
