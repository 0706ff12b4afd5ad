//! Kubernetes: `kubectl get serviceaccounts,rolebindings,clusterrolebindings -A -o json`, or a part of that.

use std::collections::{BTreeMap, HashMap};

use countersign_authority::registry::observed::{ImportedAccount, PRIVILEGES};
use countersign_model::registry::{AccountType, ObservedFacts};
use serde::Deserialize;

use super::{
    ImportError, MOST_ROWS, Source,
    facts::{owner, time},
};

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    /// Of a list.
    items: Option<Vec<Object>>,
    /// Of a service account: the secrets that hold tokens of it.
    #[serde(default)]
    secrets: Vec<serde::de::IgnoredAny>,
    /// Of a binding.
    #[serde(default)]
    subjects: Vec<Subject>,
    #[serde(rename = "roleRef")]
    role: Option<Role>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    creation_timestamp: Option<String>,
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
struct Role {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

/// The annotations by which a cloud lets a service account act as one of its own.
const CLOUDS: [&str; 3] = [
    "azure.workload.identity/client-id",
    "eks.amazonaws.com/role-arn",
    "iam.gke.io/gcp-service-account",
];

const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";

/// Reads the file.
pub fn read(source: &Source<'_>) -> Result<Vec<ImportedAccount>, ImportError> {
    let whole: Object =
        serde_json::from_str(source.text).map_err(|error| ImportError::json(&error))?;
    let objects = match whole.items {
        Some(items) => items,
        None => vec![whole],
    };
    if objects.len() > MOST_ROWS {
        let what = format!("more than {MOST_ROWS} objects: split the file");
        return Err(ImportError::new("the file", what));
    }
    let granted = granted(&objects);
    let mut accounts = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        let entry = u32::try_from(index + 1).unwrap_or(u32::MAX);
        match object.kind.as_str() {
            "ServiceAccount" => accounts.push(account(source, entry, object, &granted)?),
            "ClusterRoleBinding" | "RoleBinding" => {}
            other => {
                let shown: String = other
                    .chars()
                    .take(40)
                    .flat_map(char::escape_debug)
                    .collect();
                let what = format!(
                    "`{shown}` is no kind that is imported: expected ServiceAccount, RoleBinding or ClusterRoleBinding"
                );
                return Err(ImportError::new(format!("entry {entry}, `kind`"), what));
            }
        }
    }
    Ok(accounts)
}

/// What bindings grant, by namespace and name of the service account.
fn granted(objects: &[Object]) -> HashMap<(&str, &str), Vec<String>> {
    let mut granted: HashMap<(&str, &str), Vec<String>> = HashMap::new();
    for object in objects {
        let Some(role) = &object.role else { continue };
        let here = match object.metadata.namespace.as_str() {
            "" => "everywhere".to_owned(),
            namespace => format!("in {namespace}"),
        };
        for subject in object
            .subjects
            .iter()
            .filter(|one| one.kind == "ServiceAccount")
        {
            let namespace = match subject.namespace.as_str() {
                "" => object.metadata.namespace.as_str(),
                namespace => namespace,
            };
            let list = granted.entry((namespace, &subject.name)).or_default();
            list.push(format!("{} {} {here}", role.kind, role.name));
        }
    }
    granted
}

fn account(
    source: &Source<'_>,
    entry: u32,
    object: &Object,
    granted: &HashMap<(&str, &str), Vec<String>>,
) -> Result<ImportedAccount, ImportError> {
    let metadata = &object.metadata;
    let wrong = |field: &str, what: &str| {
        ImportError::new(format!("entry {entry}, `metadata.{field}`"), what)
    };
    if metadata.uid.is_empty() {
        return Err(wrong(
            "uid",
            "it is not there, and alone says for ever which account this is",
        ));
    }
    let at = |field: &str, value: Option<&String>| {
        value.map_or(Ok(None), |value| {
            time(value).map_err(|what| wrong(field, &what))
        })
    };
    let created_at = at("creationTimestamp", metadata.creation_timestamp.as_ref())?;
    let clouds = CLOUDS.iter().filter_map(|name| {
        let value = metadata.annotations.get(*name)?;
        Some(format!("{name}: {value}"))
    });
    let key = (metadata.namespace.as_str(), metadata.name.as_str());
    let bound = granted.get(&key).into_iter().flatten().cloned();
    let owned_by = ["owner", "team"].iter().find_map(|name| {
        let found = metadata.annotations.get(*name);
        found
            .or_else(|| metadata.labels.get(*name))
            .map(|value| (*name, value.as_str()))
    });
    let facts = ObservedFacts {
        label: format!("{}/{}", metadata.namespace, metadata.name),
        account_type: AccountType::Program,
        form: "Kubernetes service account".to_owned(),
        place: metadata.namespace.clone(),
        owner: owned_by
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default(),
        privileges: clouds.chain(bound).take(PRIVILEGES).collect(),
        created_at,
        last_used_at: at("labels", metadata.labels.get(LAST_USED))?,
        // A secret that holds a token lives as long as the account (Kubernetes before 1.24).
        secret_since: created_at.filter(|_| !object.secrets.is_empty()),
        ..ObservedFacts::default()
    };
    Ok(ImportedAccount {
        system: source.system.unwrap_or("kubernetes").to_owned(),
        external_id: metadata.uid.clone(),
        line: entry,
        facts: Some(facts),
        sign_ins: None,
        owner: owned_by.and_then(|(name, value)| match name {
            "team" => owner(&format!("team:{value}")),
            _ => owner(value),
        }),
    })
}
