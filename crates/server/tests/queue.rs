//! What the server tells RabbitMQ: each execution once, and again what was lost.

use countersign_crypto::Secret;
use countersign_model::time::Seconds;
use countersign_testkit::{RabbitMq, TestServer, eventually, on_each_database, on_postgres};
use serde_json::json;

use crate::{
    automation_world::{Automation, automation, finish},
    long_lived_tokens::text,
};

struct Queue {
    rabbitmq: RabbitMq,
    name: String,
}

impl Queue {
    /// Waits until so many messages are there.
    async fn holds(&self, many: u32) {
        let what = format!("{many} messages");
        eventually(&what, || async {
            (self.rabbitmq.waiting(&self.name).await == Some(many)).then_some(())
        })
        .await;
    }
}

async fn started(server: &TestServer, rabbitmq: RabbitMq) -> (Automation, Queue) {
    let ops = automation(server).await;
    let project = ops.owner.get("/api/projects/ops").await.done();
    let name = format!("countersign.executions.{}", text(&project, "id"));
    (ops, Queue { rabbitmq, name })
}

/// Waits until the broker was told this often, by outcome.
async fn told(server: &TestServer, outcome: &str, many: u32) {
    let line = format!("countersign_executions_published_total{{outcome=\"{outcome}\"}} {many}\n");
    eventually(&line, || async {
        server.app().metrics().text().contains(&line).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_lost_is_written_again_and_no_queue_grows_while_nobody_reads_it() {
    on_each_database(async |database| {
        let Some(rabbitmq) = RabbitMq::connect().await else {
            return;
        };
        let url = rabbitmq.url().to_owned();
        let server = TestServer::start_with(&database, |config| {
            config.automation.broker = Some(Secret::new(url));
        })
        .await;
        let (ops, queue) = started(&server, rabbitmq).await;
        for _ in 0..3 {
            ops.start("billing.report", json!({})).await;
        }
        queue.holds(3).await;
        told(&server, "confirmed", 3).await;
        // Nobody reads: nothing is written twice.
        server.clock().advance(Seconds(31));
        told(&server, "waiting", 3).await;
        queue.holds(3).await;
        // The broker loses everything; a worker that asks over HTTP takes one meanwhile.
        queue.rabbitmq.purge(&queue.name).await;
        let worker = ops.fresh_worker(&server).await;
        let one = worker
            .post("/api/executions/claim", &json!({ "max": 1 }))
            .await
            .done();
        finish(&worker, &one["executions"][0], "succeeded")
            .await
            .done();
        queue.holds(0).await;
        server.clock().advance(Seconds(31));
        queue.holds(2).await;
        told(&server, "confirmed", 5).await;
        let metrics = server.app().metrics().text();
        assert!(
            metrics.contains("countersign_broker_connected 1\n"),
            "{metrics}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_gone_is_made_again_and_an_execution_that_is_due_again_is_told_again() {
    on_each_database(async |database| {
        let Some(rabbitmq) = RabbitMq::connect().await else {
            return;
        };
        let url = rabbitmq.url().to_owned();
        let server = TestServer::start_with(&database, |config| {
            config.automation.broker = Some(Secret::new(url));
        })
        .await;
        let (ops, queue) = started(&server, rabbitmq).await;
        ops.start("billing.report", json!({})).await;
        queue.holds(1).await;
        queue.rabbitmq.delete(&queue.name).await;
        let claimed = ops.claim().await;
        assert_eq!(claimed.len(), 1);
        // Its worker is silent: the second attempt has a message of its own.
        server.clock().advance(Seconds(31));
        server.run_job("watch_executions").await;
        queue.holds(1).await;
        let (message, _) = queue.rabbitmq.look(&queue.name).await;
        assert_eq!(String::from_utf8(message).unwrap(), text(&claimed[0], "id"));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_replicas_one_tells_the_broker_and_another_takes_over() {
    on_postgres(async |database| {
        let Some(rabbitmq) = RabbitMq::connect().await else {
            return;
        };
        let url = rabbitmq.url().to_owned();
        let server = TestServer::start_with(&database, |config| {
            config.automation.broker = Some(Secret::new(url));
        })
        .await;
        let replica = server.replica().await;
        let (ops, queue) = started(&server, rabbitmq).await;
        for _ in 0..10 {
            ops.start("billing.report", json!({})).await;
        }
        queue.holds(10).await;
        let count = |server: &TestServer| {
            let text = server.app().metrics().text();
            let line = "countersign_executions_published_total{outcome=\"confirmed\"} ";
            text.lines()
                .find_map(|one| one.strip_prefix(line)?.parse::<u32>().ok())
                .unwrap_or(0)
        };
        eventually("each is told once", || async {
            (count(&server) + count(&replica) == 10).then_some(())
        })
        .await;
        let (first, second) = if count(&server) > 0 {
            (server, replica)
        } else {
            (replica, server)
        };
        assert_eq!(count(&second), 0, "one of them has the turn");
        let clock = first.clock().clone();
        let owner = second.anyone().with_token(ops.owner.token());
        first.stop().await;
        let body = json!({ "action_ref": "billing.report" });
        owner.post("/api/executions", &body).await.done();
        // The turn of a replica that is gone ends by itself.
        clock.advance(Seconds(11));
        queue.holds(11).await;
        second.stop().await;
    })
    .await;
}
