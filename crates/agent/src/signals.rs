//! Signals: what is asked of us is asked of the program.

#[cfg(unix)]
pub(crate) use unix::Signals;

#[cfg(not(unix))]
pub(crate) use other::Signals;

#[cfg(unix)]
mod unix {
    use std::{fs::File, io};

    use rustix::{
        process::{Pid, Signal, getpgrp, kill_process},
        termios::tcgetpgrp,
    };
    use tokio::signal::unix::{self, SignalKind};

    /// The signals that are passed on. Those that stop and continue a program are the terminal's business, and what tells
    /// of children is ours.
    pub(crate) struct Signals {
        hangup: unix::Signal,
        interrupt: unix::Signal,
        quit: unix::Signal,
        terminate: unix::Signal,
        user1: unix::Signal,
        user2: unix::Signal,
    }

    impl Signals {
        /// Hears them from now on.
        pub(crate) fn hear() -> io::Result<Self> {
            Ok(Self {
                hangup: unix::signal(SignalKind::hangup())?,
                interrupt: unix::signal(SignalKind::interrupt())?,
                quit: unix::signal(SignalKind::quit())?,
                terminate: unix::signal(SignalKind::terminate())?,
                user1: unix::signal(SignalKind::user_defined1())?,
                user2: unix::signal(SignalKind::user_defined2())?,
            })
        }

        /// The next one.
        pub(crate) async fn next(&mut self) -> Heard {
            Heard(tokio::select! {
                _ = self.hangup.recv() => Signal::HUP,
                _ = self.interrupt.recv() => Signal::INT,
                _ = self.quit.recv() => Signal::QUIT,
                _ = self.terminate.recv() => Signal::TERM,
                _ = self.user1.recv() => Signal::USR1,
                _ = self.user2.recv() => Signal::USR2,
            })
        }
    }

    /// A signal that came.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Heard(Signal);

    impl Heard {
        /// The exit code of who ends by it.
        pub(crate) fn code(self) -> u8 {
            u8::try_from(128 + self.0.as_raw()).unwrap_or(u8::MAX)
        }

        /// Whether it asks to end what has not begun yet.
        pub(crate) fn ends(self) -> bool {
            self.0 != Signal::USR1 && self.0 != Signal::USR2
        }

        /// Passes it on to a child that was not waited for yet, so that its id is still its own.
        pub(crate) fn pass_on(self, child: u32) {
            if self.came_by_terminal() {
                return;
            }
            let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                // Gone already: then its exit is what we hear next.
                let _ = kill_process(pid, self.0);
            }
        }

        /// What is typed at a terminal goes to everybody in its foreground, the child too: twice would be once too
        /// often for a program that gives up at the second.
        fn came_by_terminal(self) -> bool {
            let typed = self.0 == Signal::INT || self.0 == Signal::QUIT;
            typed
                && File::open("/dev/tty")
                    .ok()
                    .and_then(|terminal| tcgetpgrp(terminal).ok())
                    .is_some_and(|foreground| foreground == getpgrp())
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;

    /// Control-C, which the console gives to the child by itself.
    pub(crate) struct Signals;

    impl Signals {
        pub(crate) fn hear() -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) async fn next(&mut self) -> Heard {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            Heard
        }
    }

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Heard;

    impl Heard {
        pub(crate) fn code(self) -> u8 {
            130
        }

        pub(crate) fn ends(self) -> bool {
            true
        }

        pub(crate) fn pass_on(self, _: u32) {}
    }
}
