// The same chain as a list: for screen readers, phones and paper.
import type { Verdict } from '../log/verify';
import { Badge, When } from '../ui/bits';
import { Icon } from '../ui/icons';
import { Mark } from '../ui/Mark';
import { nodeWord } from '../words';
import { type Lineage, nameOf, relationsTo, told } from './graph';

export function ChainList({
  lineage,
  proofs,
  chosen,
  now,
  choose,
}: {
  lineage: Lineage;
  proofs: Map<string, Verdict>;
  chosen?: string;
  now: boolean;
  choose: (id: string) => void;
}) {
  return (
    <ol className="chain">
      {told(lineage).map((node) => {
        const { word, icon } = nodeWord(node.type);
        const relations = relationsTo(lineage, node.id);
        return (
          <li key={node.id} className={`${node.type} ${node.gap ? 'gap' : ''}`}>
            <button
              type="button"
              className={chosen === node.id ? 'chosen' : ''}
              onClick={() => choose(node.id)}
            >
              <span className="chain-icon">
                <Icon name={icon} size={16} />
              </span>
              <span className="chain-said">
                <span className="chain-type">
                  {word}
                  {relations.length > 0 && <span className="soft"> · {relations.join(', ')}</span>}
                </span>
                <span className="chain-name">{nameOf(node, now)}</span>
                {node.now && <span className="soft">{now ? `then ${node.label}` : `now ${node.now}`}</span>}
              </span>
              <span className="chain-side">
                {node.at && <When at={node.at} />}
                {node.gap ? (
                  <Badge tone="warn">not on record</Badge>
                ) : (
                  node.evidence_id && <Mark verdict={proofs.get(node.evidence_id)} />
                )}
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
