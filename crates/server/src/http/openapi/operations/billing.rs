//! Bills.

use countersign_api::billing::{BillingQuery, Statement, StatementList};

use super::super::{Operation, Schemas};

pub(super) fn billing(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/billing/statements",
            "billing.list",
            "the months in which anything was counted, for who owns what is billed",
        )
        .query::<BillingQuery>(s)
        .answers::<StatementList>(200, s),
        Operation::get(
            "/api/billing/statements/{month}",
            "billing.statement",
            "what was done in a month; as CSV with `Accept: text/csv` or when the month ends in `.csv`",
        )
        .query::<BillingQuery>(s)
        .answers::<Statement>(200, s),
    ]
}
