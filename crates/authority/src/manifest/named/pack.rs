//! A pack as people write it.

use countersign_model::{
    pack::{PackAction, Rule},
    registry::PackDoc,
    rule::Condition,
};

use super::{Names, Writer, located, text, texts};
use crate::manifest::{
    ConditionManifest, Located, PackActionManifest, PackManifest, ParameterManifest, RuleManifest,
    SignatureManifest, TriggerManifest, WebhookManifest,
};

impl<N: Names> Writer<'_, N> {
    pub(super) fn pack(&self, doc: &PackDoc) -> Result<PackManifest, N::Stop> {
        let triggers = doc.triggers.iter().map(|trigger| TriggerManifest {
            name: located(&trigger.name),
            description: self.text(&trigger.description),
        });
        let webhooks = doc.webhooks.iter().map(|webhook| WebhookManifest {
            path: webhook.path.clone(),
            signature: webhook.signature.as_ref().map(|asked| SignatureManifest {
                key: located(&asked.key),
                form: Some(text(asked.form.as_str())),
            }),
        });
        Ok(PackManifest {
            name: located(&doc.name),
            project: Some(Located::unplaced(self.names.name(doc.project_id.cast())?)),
            sponsor: Some(Located::unplaced(self.party(doc.sponsor)?)),
            description: self.text(&doc.description),
            triggers: self.some(triggers.collect()),
            actions: self.some(
                doc.actions
                    .iter()
                    .map(|one| self.pack_action(one))
                    .collect(),
            ),
            rules: self.some(doc.rules.iter().map(|one| self.rule(one)).collect()),
            webhooks: self.some(webhooks.collect()),
        })
    }

    fn pack_action(&self, action: &PackAction) -> PackActionManifest {
        let parameters = action.parameters.iter().map(|(name, one)| {
            let manifest = ParameterManifest {
                description: self.text(&one.description),
                required: self.flag(one.required),
                default: one.default.clone(),
            };
            (name.clone(), manifest)
        });
        PackActionManifest {
            name: located(&action.name),
            description: self.text(&action.description),
            command: self.some(action.command.clone()),
            script: action.script.as_ref().map(|script| text(&script.text)),
            script_file: None,
            timeout_seconds: Some(Located::unplaced(action.time_out.0)),
            keys: self.some(action.keys.clone()),
            starts: self.some(texts(&action.starts)),
            environment: (!action.environment.is_empty()).then(|| action.environment.clone()),
            parameters: (!action.parameters.is_empty()).then(|| parameters.collect()),
            retry_if_lost: self.flag(action.retry_if_lost),
            requires_approval: self.flag(action.requires_approval),
        }
    }

    fn rule(&self, rule: &Rule) -> RuleManifest {
        RuleManifest {
            name: located(&rule.name),
            description: self.text(&rule.description),
            trigger: located(&rule.trigger),
            with: (!rule.with.is_empty()).then(|| rule.with.clone()),
            when: self.some(rule.when.iter().map(condition).collect()),
            action: located(&rule.action),
            parameters: (!rule.parameters.is_empty()).then(|| rule.parameters.clone()),
            enabled: Some(rule.enabled),
            requires_approval: self.flag(rule.requires_approval),
        }
    }
}

fn condition(condition: &Condition) -> ConditionManifest {
    let listed = |values: &Vec<serde_json::Value>| (!values.is_empty()).then(|| values.clone());
    ConditionManifest {
        field: condition.field.clone(),
        is: listed(&condition.is),
        is_not: listed(&condition.is_not),
        exists: condition.exists,
        begins_with: condition.begins_with.clone(),
        above: condition.above,
        below: condition.below,
    }
}
