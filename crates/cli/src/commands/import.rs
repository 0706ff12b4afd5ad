//! `import`: accounts of other systems, brought in as observed ones.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_api::observed::ImportRequest;
use countersign_model::registry::ImportFormat;

use crate::{app::App, failure::Failure, files, view};

/// Bring in accounts of other systems, marked as observed: no token is issued for them
#[derive(Debug, Subcommand)]
pub enum Import {
    /// A table of accounts, an AWS credential report, or a table of sign-ins
    #[command(
        after_help = "Examples:\n  countersign import csv accounts.csv --system okta --dry-run\n  countersign import csv sign-ins.csv --system okta --ci-network 192.0.2.0/24"
    )]
    Csv(File),
    /// Installations, deploy keys, personal access tokens or the audit log of an organisation
    #[command(
        after_help = "Example:\n  gh api --paginate /orgs/ORG/installations > installations.json\n  countersign import github installations.json"
    )]
    Github(File),
    /// Service accounts of a cluster, with what is bound to them
    #[command(
        after_help = "Example:\n  kubectl get serviceaccounts,rolebindings,clusterrolebindings -A -o json > cluster.json\n  countersign import kubernetes cluster.json"
    )]
    Kubernetes(File),
}

/// What to bring in.
#[derive(Debug, Args)]
pub struct File {
    /// What the other system exported; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The system that it is from, where there are several: okta, prod-cluster
    #[arg(long)]
    system: Option<String>,
    /// A network of CI: who signs in from there is a program; once for each
    #[arg(long = "ci-network", value_name = "NETWORK")]
    ci_networks: Vec<String>,
    /// Only say what would be brought in
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let (format, file) = match self {
            Self::Csv(file) => (ImportFormat::Csv, file),
            Self::Github(file) => (ImportFormat::Github, file),
            Self::Kubernetes(file) => (ImportFormat::Kubernetes, file),
        };
        let request = ImportRequest {
            format,
            file_name: file.file.display().to_string(),
            text: files::read(&file.file)?,
            system: file.system,
            ci_networks: file.ci_networks,
            dry_run: file.dry_run,
        };
        let done = app.client()?.import(&request).await?;
        app.out.data(&done, view::details)?;
        app.out.talk(if done.dry_run {
            "nothing is brought in yet: again without --dry-run"
        } else if done.proposed > 0 {
            "who is proposed to answer for one confirms it with `countersign observed confirm`"
        } else {
            "`countersign observed list` shows them, and `countersign finding list` what is weak about each"
        });
        Ok(())
    }
}
