import { Link } from '@tanstack/react-router';
import { conversion } from '../accounts/conversion';
import type { Schemas } from '../api/client';
import { Badge, Copy, Said } from '../ui/bits';
import { capital, toneOf, weaknessWord } from '../words';

/** A weakness, how soon somebody should act, and the first thing to do. */
export function FindingItem({ of }: { of: Schemas['Finding'] }) {
  const made = conversion(of.fix);
  return (
    <li className="finding">
      <Badge tone={toneOf(of.severity)}>{of.severity}</Badge>
      <div>
        <strong>{weaknessWord(of.weakness)}</strong>
        <p>
          <Said text={capital(of.says)} />.
        </p>
        <p>
          <span className="soft">First: </span>
          <Said text={of.remedy} />
        </p>
        {of.fix && (
          <p className="fix">
            <code>{of.fix}</code>
            <Copy text={of.fix} label="command" />
            {made && (
              <Link to="/new-identity" search={made} className="link">
                Do it here
              </Link>
            )}
          </p>
        )}
      </div>
    </li>
  );
}
