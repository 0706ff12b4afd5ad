import type { Schemas } from '../api/client';
import { Badge, Copy, Said } from '../ui/bits';
import { capital, toneOf, weaknessWord } from '../words';

/** A weakness, how soon somebody should act, and the first thing to do. */
export function FindingItem({ of }: { of: Schemas['Finding'] }) {
  const command = /^countersign \S/.test(of.remedy);
  return (
    <li className="finding">
      <Badge tone={toneOf(of.severity)}>{of.severity}</Badge>
      <div>
        <strong>{weaknessWord(of.weakness)}</strong>
        <p>{capital(of.says)}.</p>
        <p className="remedy">
          <span className="soft">First: </span>
          {command ? <code>{of.remedy}</code> : <Said text={of.remedy} />}
          {command && <Copy text={of.remedy} label="command" />}
        </p>
      </div>
    </li>
  );
}
