//! `action execute`: starts an action of a pack.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use countersign_api::executions::{Execute as Request, Execution};
use serde_json::{Map, Value};

use crate::{
    app::App,
    commands::execution::{outcome, waits, wrote},
    failure::Failure,
    files,
    input::pair,
    out::Format,
    view,
};

/// How often `--wait` looks.
const LOOK: Duration = Duration::from_secs(1);

/// Start an action of a pack, as the identity that the pack gives it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Execute {
    /// Which: core.echo
    #[arg(value_name = "PACK.ACTION")]
    reference: String,
    /// A parameter; what is JSON is taken as JSON, all else as text
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// A file with parameters, as JSON or YAML; --param comes on top
    #[arg(long, value_name = "FILE")]
    params_file: Option<PathBuf>,
    /// Wait until it is over, and show what it wrote
    #[arg(long)]
    wait: bool,
}

const EXAMPLES: &str = "\
Examples:
  countersign action execute core.echo --param message=Hello --wait
  countersign action execute billing.charge --params-file march.yaml -o json

With --wait the exit code is 0 when the action succeeded, and 1 when it did not.
The action runs on a worker of its project: `countersign worker --help`.";

impl Execute {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        let request = Request {
            action_ref: self.reference.clone(),
            parameters: self.parameters()?,
        };
        let begun = client.execute(&request).await?;
        if !self.wait {
            app.out.talk(&format!(
                "{} is {}; `countersign execution show {}` tells how it goes",
                begun.action_ref,
                begun.status.as_str(),
                begun.id
            ));
            if let Some(waits) = waits(&begun) {
                app.out.talk(&waits);
            }
            return app.out.data(&begun, view::details);
        }
        let over = over(app, begun).await?;
        match app.out.format() {
            Format::Table => wrote(app, &over),
            Format::Json | Format::Yaml => app.out.data(&over, view::details)?,
        }
        outcome(&over)
    }

    fn parameters(&self) -> Result<Map<String, Value>, Failure> {
        let mut parameters = match &self.params_file {
            Some(path) => {
                let text = files::read(path)?;
                serde_saphyr::from_str(&text).map_err(|error| {
                    Failure::usage(format!(
                        "the parameters are not an object of JSON or YAML: {error}"
                    ))
                    .at(path.display().to_string())
                })?
            }
            None => Map::new(),
        };
        for (name, text) in &self.params {
            parameters.insert(name.clone(), value(text));
        }
        Ok(parameters)
    }
}

/// Waits until the execution is over.
async fn over(app: &App, mut execution: Execution) -> Result<Execution, Failure> {
    let client = app.client()?;
    let id = execution.id.to_string();
    let mut status = None;
    while !execution.status.is_over() {
        if status.replace(execution.status) != Some(execution.status) {
            app.out
                .talk(&format!("execution {id} is {}", execution.status.as_str()));
            if let Some(waits) = waits(&execution) {
                app.out.talk(&waits);
            }
        }
        tokio::time::sleep(LOOK).await;
        execution = client.execution(&id).await?;
    }
    Ok(execution)
}

/// What was typed, as JSON when it is some.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_parameter_is_json_when_it_is_and_text_when_it_is_not() {
        for (text, expected) in [
            ("Hello", json!("Hello")),
            ("3", json!(3)),
            ("\"3\"", json!("3")),
            ("true", json!(true)),
            ("[1, 2]", json!([1, 2])),
            ("{a}", json!("{a}")),
            ("", json!("")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }
}
