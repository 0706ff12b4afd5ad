//! Events and executions: what sensors, workers and people do with them.

use std::time::Duration;

use reqwest::Method;

use super::{Client, ClientError, TIMEOUT};
use crate::{
    events::{CreateEvent, Event, ListRules, Rule, Trigger},
    executions::{
        CancelExecution, Claim, ClaimOne, ClaimedExecutions, Execute, Execution, FinishExecution,
        Heard, Heartbeat, ListExecutions, UpdateExecution,
    },
    paging::Page,
};

impl Client {
    /// The trigger types.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn triggers(&self) -> Result<Vec<Trigger>, ClientError> {
        self.get(&["api", "triggers"], &()).await
    }

    /// The rules that the caller may see.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn rules(&self, query: &ListRules) -> Result<Vec<Rule>, ClientError> {
        self.get(&["api", "rules"], query).await
    }

    /// Creates an event.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn create_event(&self, event: &CreateEvent) -> Result<Event, ClientError> {
        self.post(&["api", "events"], event).await
    }

    /// An event, with the rules that fired.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn event(&self, id: &str) -> Result<Event, ClientError> {
        self.get(&["api", "events", id], &()).await
    }

    /// Starts an action.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn execute(&self, execute: &Execute) -> Result<Execution, ClientError> {
        self.post(&["api", "executions"], execute).await
    }

    /// A page of executions, newest first.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn executions(&self, query: &ListExecutions) -> Result<Page<Execution>, ClientError> {
        self.get(&["api", "executions"], query).await
    }

    /// An execution.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn execution(&self, id: &str) -> Result<Execution, ClientError> {
        self.get(&["api", "executions", id], &()).await
    }

    /// Says what came of the caller's own execution, so far.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn update_execution(
        &self,
        id: &str,
        update: &UpdateExecution,
    ) -> Result<Execution, ClientError> {
        let segments = ["api", "executions", id];
        let request = self.request(Method::PATCH, &segments).json(update);
        let (_, answer) = self.send(request).await?;
        self.json(&segments, &answer)
    }

    /// Stops an execution.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn cancel_execution(
        &self,
        id: &str,
        cancel: &CancelExecution,
    ) -> Result<Execution, ClientError> {
        self.post(&["api", "executions", id, "cancel"], cancel)
            .await
    }

    /// Takes executions that are due, waiting for the first one as long as the claim says.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn claim(&self, claim: &Claim) -> Result<ClaimedExecutions, ClientError> {
        let segments = ["api", "executions", "claim"];
        let patience = TIMEOUT + Duration::from_secs(claim.wait_seconds.into());
        let request = self.request(Method::POST, &segments).json(claim);
        let (_, answer) = self.send(request.timeout(patience)).await?;
        self.json(&segments, &answer)
    }

    /// Takes the execution that a message named; none when it is not due any more.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn claim_one(&self, id: &str) -> Result<ClaimedExecutions, ClientError> {
        let segments = ["api", "executions", id, "claim"];
        self.post(&segments, &ClaimOne {}).await
    }

    /// Says what the worker still works on.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<Heard, ClientError> {
        self.post(&["api", "executions", "heartbeat"], heartbeat)
            .await
    }

    /// Says how an execution ended.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; a conflict when the attempt is not this worker's any more.
    pub async fn finish_execution(
        &self,
        id: &str,
        finish: &FinishExecution,
    ) -> Result<Execution, ClientError> {
        self.post(&["api", "executions", id, "finish"], finish)
            .await
    }
}
