//! Backward: from an action, token, run, approval, commit, artifact or resource to who answers (S3.10).

use countersign_crypto::opaque::Pepper;
use countersign_model::{
    evidence::{Event, Evidence, Role},
    reason::{Reason, Refusal},
};
use countersign_store::Tx;

use super::{
    Asker, Backward, RECORDS, Start,
    gathering::{Gathered, gather, starts},
    teller::{Teller, find, weight},
};
use crate::rejection::Rejection;

/// How many other stories an answer names.
const OTHERS: usize = 20;

pub(super) fn tell(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    start: &Start,
    pepper: &Pepper,
) -> Result<Backward, Rejection> {
    let page = starts(tx, asker, start, pepper)?;
    let mut starts = page.records;
    starts.sort_by_key(|found| {
        std::cmp::Reverse((weight(&found.record.event), found.record.recorded_at))
    });
    let Some(main) = starts.first().cloned() else {
        if !page.gaps.is_empty() {
            return Ok(Backward::of_gaps(tx, &page.gaps)?);
        }
        return Err(Refusal::new(
            Reason::NotFound,
            "nothing is on record for this reference, or you may not see it",
        )
        .into());
    };
    let Gathered {
        records,
        mut gaps,
        more,
    } = gather(tx, asker, &main, pepper)?;
    gaps.extend(page.gaps.into_iter().map(|gap| (gap.row.id, gap)));
    let truncated = more || records.len() >= RECORDS;
    let mut teller = Teller::new(tx, asker, &records);
    for gap in gaps.values() {
        teller.lost(gap)?;
    }
    let (story, graph, gaps) = teller.tell(&main)?;
    let mut others = Vec::new();
    for other in starts
        .iter()
        // What only changed a record, or asked about a token, has no story of its own.
        .filter(|other| other.record.txn != main.record.txn && weight(&other.record.event) > 0)
    {
        if others.len() == OTHERS {
            break;
        }
        let reference = reference_of(&other.record);
        if others.iter().all(|(known, _)| *known != reference) {
            let Gathered { records, .. } = gather(tx, asker, other, pepper)?;
            let (story, ..) = Teller::new(tx, asker, &records).tell(other)?;
            others.push((reference, story.sentence()));
        }
    }
    Ok(Backward {
        story,
        graph,
        gaps,
        others,
        truncated,
    })
}

fn reference_of(record: &Evidence) -> String {
    match &record.event {
        Event::TokenIssued(_) => format!("token:{}", record.id),
        Event::ApprovalOpened(_) | Event::ApprovalDecided(_) | Event::ApprovalVoided(_) => {
            find(record, Role::Approval).map_or_else(
                || format!("action:{}", record.id),
                |approval| format!("approval:{}", approval.id),
            )
        }
        _ => format!("action:{}", record.id),
    }
}
