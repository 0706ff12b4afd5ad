//! `user notices`: which messages one hears of where.

use clap::Args;
use countersign_api::notices::{ChooseNotices, Notices as Told};
use countersign_model::notice::NoticeKind;
use serde_json::Value;

use crate::{app::App, failure::Failure, input::word, view};

/// Show what you are told of and where, or choose it.
#[derive(Debug, Args)]
pub struct Notices {
    /// Of what, such as approval.opened; once for each; without it, of everything
    #[arg(long = "kind", value_name = "KIND", value_parser = word::<NoticeKind>)]
    kinds: Vec<NoticeKind>,
    /// Where: email, or the name of a webhook of the server; with commas
    #[arg(
        long,
        value_name = "CHANNEL",
        value_delimiter = ',',
        conflicts_with = "off"
    )]
    to: Vec<String>,
    /// Nowhere
    #[arg(long)]
    off: bool,
}

impl Notices {
    pub async fn run(self, app: &App) -> Result<(), Failure> {
        let client = app.client()?;
        if self.to.is_empty() && !self.off {
            let told = client.notices(&()).await?;
            return app.out.data(&told, table);
        }
        let choice = ChooseNotices {
            kinds: self.kinds,
            channels: self.to,
        };
        let told: Told = client.choose_notices(&choice).await?;
        app.out.data(&told, table)
    }
}

fn table(json: &Value) -> String {
    let kinds = json["kinds"].as_object().into_iter().flatten();
    let rows = kinds.map(|(kind, channels)| {
        let names = channels.as_array().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(Value::as_str).collect();
        let names = if names.is_empty() {
            "nowhere".to_owned()
        } else {
            names.join(", ")
        };
        vec![kind.clone(), names]
    });
    view::rows_table(&["TOLD OF", "WHERE"], rows.collect())
}
