//! The graph of a lineage: who and what took part, and how they hang together.

use countersign_model::{Id, Timestamp, id};
use countersign_store::{StoreError, Tx};

use crate::{
    evidence::search::Gap,
    log::{self, Position},
};

/// Nodes and edges, each once.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges.
    pub edges: Vec<Edge>,
}

/// One hop.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its key: `evidence:ID`, `identity:ID`, `user:ID`, `run:KEY`; `sponsor:ID` where who answers now did not then.
    pub key: String,
    /// What it is.
    pub node_type: &'static str,
    /// What it says, with the names of then.
    pub label: String,
    /// What it is called now, when that differs.
    pub now: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// The record that says so.
    pub evidence: Option<Id<id::Evidence>>,
    /// Its place in the log.
    pub position: Option<Position>,
    /// Whether it is a link that should be there and is not.
    pub gap: bool,
}

/// How two hops hang together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The later one.
    pub from: String,
    /// What it rests on.
    pub to: String,
    /// How.
    pub relation: &'static str,
}

impl Node {
    /// A node that says no more than what it is.
    pub fn new(key: impl Into<String>, node_type: &'static str, label: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            node_type,
            label: label.into(),
            now: None,
            at: None,
            evidence: None,
            position: None,
            gap: false,
        }
    }
}

impl Graph {
    /// Adds a node, unless it is there.
    pub fn node(&mut self, node: Node) {
        if self.nodes.iter().all(|known| known.key != node.key) {
            self.nodes.push(node);
        }
    }

    /// Adds an edge, unless it is there or begins at nothing: the first hop of a chain has nothing before it.
    pub fn edge(&mut self, from: &str, relation: &'static str, to: &str) {
        let edge = Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            relation,
        };
        if !from.is_empty() && from != to && !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }

    /// Adds a node for a record whose body cannot be had, with its place in the log, and says why.
    ///
    /// # Errors
    /// When the database fails.
    pub fn lost(&mut self, tx: &mut Tx<'_>, gap: &Gap) -> Result<String, StoreError> {
        let kind = gap.row.kind.replace('_', " ");
        let said = format!("a record of kind `{kind}` cannot be read: {}", gap.why);
        self.node(Node {
            at: Some(gap.row.occurred_at),
            evidence: Some(gap.row.id),
            position: log::position(tx, gap.row.id)?,
            gap: true,
            ..Node::new(format!("evidence:{}", gap.row.id), "gap", said.clone())
        });
        Ok(said)
    }

    /// Adds a node that stands for a missing link.
    pub fn gap(&mut self, from: &str, relation: &'static str, what: &str) {
        let key = format!("gap:{what}");
        self.node(Node {
            gap: true,
            ..Node::new(key.clone(), "gap", format!("{what} is not on record"))
        });
        self.edge(from, relation, &key);
    }
}
