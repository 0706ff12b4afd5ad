//! What others wrote and our tests drive the server with: made ready here, found by the tests through the environment.

use std::path::PathBuf;

use crate::node;
use crate::process::{self, Failure};
use crate::python;
use crate::report::Done;

/// Which stock clients are ready, as environment variables for the tests.
#[derive(Default)]
pub struct Clients {
    ready: Vec<(&'static str, PathBuf)>,
}

impl Clients {
    /// Makes `openid-client` and `jose` ready.
    pub fn prepare_node(&mut self) -> Result<Done, Failure> {
        let folder = process::root().join(NODE_FOLDER);
        let node = match node::find().and_then(|node| node.fetch(&folder).map(|()| node)) {
            Ok(node) => node,
            Err(missing) => return Ok(missing),
        };
        let interpreter = node.interpreter().to_path_buf();
        self.ready.push((NODE_VARIABLE, interpreter));
        Ok(Done::Ran)
    }

    /// Makes `Authlib` ready.
    pub fn prepare_python(&mut self) -> Result<Done, Failure> {
        let requirements = process::root().join(PYTHON_REQUIREMENTS);
        match python::environment("clients", &requirements) {
            Ok(interpreter) => {
                self.ready.push((PYTHON_VARIABLE, interpreter));
                Ok(Done::Ran)
            }
            Err(missing) => Ok(missing),
        }
    }

    /// The variables to give to the tests.
    pub fn variables(&self) -> &[(&'static str, PathBuf)] {
        &self.ready
    }
}

const NODE_FOLDER: &str = "tests/clients/node";
const NODE_VARIABLE: &str = "COUNTERSIGN_TEST_NODE";
const PYTHON_REQUIREMENTS: &str = "tests/clients/python/requirements.txt";
const PYTHON_VARIABLE: &str = "COUNTERSIGN_TEST_PYTHON";
