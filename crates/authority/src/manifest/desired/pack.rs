//! Packs, with the scripts that came beside them.

use countersign_crypto::digest;
use countersign_model::{
    Id, id,
    name::{ActionName, PackName},
    pack::{PackAction, Parameter, Rule, Script, TriggerType, Webhook, WebhookSignature},
    registry::{Noun, PackDoc, Party},
    rule::Condition,
    time::Seconds,
};

use super::{Desire, Entry, word};
use crate::manifest::{
    ConditionManifest, Located, PackActionManifest, PackManifest, Resolver, RuleManifest,
    WebhookManifest,
};

/// What an action may take when nobody said: five minutes, the shortest life of an execution's token.
const TIME_OUT: i64 = 300;

impl<R: Resolver> Desire<'_, R> {
    pub(super) fn pack(
        &mut self,
        entry: &Entry<'_>,
        manifest: &PackManifest,
    ) -> Result<Option<PackDoc>, R::Stop> {
        let Some(name) = self.read::<PackName>(entry, &manifest.name) else {
            return Ok(None);
        };
        let current = entry.current.as_ref().and_then(|record| record.pack());
        let project_id: Id<id::Project> = match (&manifest.project, current) {
            (Some(project), _) => match self.find(entry, Noun::Project, project)? {
                Some(id) => id.cast(),
                None => return Ok(None),
            },
            (None, Some(current)) => current.project_id,
            (None, None) => self.applying.default_project,
        };
        let stated = match (&manifest.sponsor, self.applying.default_sponsor) {
            (Some(stated), _) => Some(stated.clone()),
            (None, Some(default)) if current.is_none() => {
                Some(Located::new(default.to_owned(), manifest.name.place()))
            }
            (None, _) => None,
        };
        let sponsor = match (stated, current) {
            (Some(stated), _) => match self.party(entry, &stated)? {
                Some(party) => party,
                None => return Ok(None),
            },
            (None, Some(current)) => current.sponsor,
            (None, None) => Party::User(self.applying.user_id),
        };
        let mut doc = PackDoc {
            name,
            project_id,
            sponsor,
            description: manifest
                .description
                .clone()
                .or_else(|| Some(current?.description.clone()))
                .unwrap_or_default(),
            triggers: current.map(|doc| doc.triggers.clone()).unwrap_or_default(),
            actions: current.map(|doc| doc.actions.clone()).unwrap_or_default(),
            rules: current.map(|doc| doc.rules.clone()).unwrap_or_default(),
            webhooks: current.map(|doc| doc.webhooks.clone()).unwrap_or_default(),
        };
        if let Some(triggers) = &manifest.triggers {
            let read = |one: &crate::manifest::TriggerManifest| {
                Some(TriggerType {
                    name: self.read(entry, &one.name)?,
                    description: one.description.clone().unwrap_or_default(),
                })
            };
            doc.triggers = triggers.iter().filter_map(read).collect();
        }
        if let Some(actions) = &manifest.actions {
            let read = actions
                .iter()
                .filter_map(|one| self.pack_action(entry, one));
            doc.actions = read.collect();
        }
        if let Some(rules) = &manifest.rules {
            doc.rules = rules
                .iter()
                .filter_map(|one| self.rule(entry, one))
                .collect();
        }
        if let Some(webhooks) = &manifest.webhooks {
            let read = webhooks.iter().filter_map(|one| self.webhook(entry, one));
            doc.webhooks = read.collect();
        }
        Ok(Some(doc))
    }

    fn webhook(&mut self, entry: &Entry<'_>, manifest: &WebhookManifest) -> Option<Webhook> {
        let signature = match &manifest.signature {
            None => None,
            Some(asked) => Some(WebhookSignature {
                key: self.read(entry, &asked.key)?,
                form: asked.form.as_ref().and_then(word).unwrap_or_default(),
            }),
        };
        Some(Webhook {
            path: manifest.path.clone(),
            signature,
        })
    }

    fn pack_action(
        &mut self,
        entry: &Entry<'_>,
        manifest: &PackActionManifest,
    ) -> Option<PackAction> {
        let name = self.read(entry, &manifest.name)?;
        let script = self.script(entry, manifest)?;
        let starts = manifest.starts.iter().flatten();
        let starts: Vec<ActionName> = starts.filter_map(|one| self.read(entry, one)).collect();
        let parameters = manifest.parameters.iter().flatten();
        let time_out = manifest
            .timeout_seconds
            .as_ref()
            .map_or(TIME_OUT, |seconds| seconds.value);
        Some(PackAction {
            name,
            description: manifest.description.clone().unwrap_or_default(),
            command: manifest.command.clone().unwrap_or_default(),
            script,
            time_out: Seconds(time_out),
            keys: manifest.keys.clone().unwrap_or_default(),
            starts,
            environment: manifest.environment.clone().unwrap_or_default(),
            parameters: parameters
                .map(|(name, one)| {
                    let parameter = Parameter {
                        description: one.description.clone().unwrap_or_default(),
                        required: one.required.unwrap_or_default(),
                        default: one.default.clone(),
                    };
                    (name.clone(), parameter)
                })
                .collect(),
            retry_if_lost: manifest.retry_if_lost.unwrap_or_default(),
            requires_approval: manifest.requires_approval.unwrap_or_default(),
        })
    }

    /// The script, from the document or from the file beside it; the outer option says whether it was found.
    fn script(
        &mut self,
        entry: &Entry<'_>,
        manifest: &PackActionManifest,
    ) -> Option<Option<Script>> {
        let (name, text) = match (&manifest.script, &manifest.script_file) {
            (None, None) => return Some(None),
            (Some(_), Some(file)) => {
                let message = "only one of `script` and `script_file` says what is executed";
                self.error(entry, file.place(), message);
                return None;
            }
            (Some(script), None) => ("script".to_owned(), script.value.clone()),
            (None, Some(file)) => {
                let Some(text) = self.attached(entry, &file.value).cloned() else {
                    let message = format!(
                        "`{}` was not sent along: the command line reads it",
                        file.value
                    );
                    self.error(entry, file.place(), message);
                    return None;
                };
                let name = file.value.rsplit('/').next().unwrap_or(&file.value);
                (name.to_owned(), text)
            }
        };
        let sha256 = hex::encode(digest::sha256_of(&[text.as_bytes()]));
        Some(Some(Script { name, sha256, text }))
    }

    fn rule(&mut self, entry: &Entry<'_>, manifest: &RuleManifest) -> Option<Rule> {
        let when = manifest.when.iter().flatten();
        Some(Rule {
            name: self.read(entry, &manifest.name)?,
            description: manifest.description.clone().unwrap_or_default(),
            trigger: self.read(entry, &manifest.trigger)?,
            with: manifest.with.clone().unwrap_or_default(),
            when: when.map(condition).collect(),
            action: self.read(entry, &manifest.action)?,
            parameters: manifest.parameters.clone().unwrap_or_default(),
            enabled: manifest.enabled.unwrap_or(true),
            requires_approval: manifest.requires_approval.unwrap_or_default(),
        })
    }
}

fn condition(manifest: &ConditionManifest) -> Condition {
    Condition {
        field: manifest.field.clone(),
        is: manifest.is.clone().unwrap_or_default(),
        is_not: manifest.is_not.clone().unwrap_or_default(),
        exists: manifest.exists,
        begins_with: manifest.begins_with.clone(),
        above: manifest.above,
        below: manifest.below,
    }
}
