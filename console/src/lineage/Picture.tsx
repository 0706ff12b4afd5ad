// The chain as a picture. Loaded when there is one to draw.
import '@xyflow/react/dist/base.css';
import { Button } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import {
  Background,
  BaseEdge,
  Controls,
  type Edge,
  EdgeLabelRenderer,
  type EdgeProps,
  type Node as FlowNode,
  Handle,
  MarkerType,
  type NodeProps,
  Panel,
  Position,
  ReactFlow,
  useReactFlow,
} from '@xyflow/react';
import { type CSSProperties, createContext, useContext, useMemo } from 'react';
import type { Verdict } from '../log/verify';
import { exact } from '../time';
import { Icon } from '../ui/icons';
import { Failed, Waiting } from '../ui/Loaded';
import { Mark } from '../ui/Mark';
import { nodeWord } from '../words';
import { type Lineage, linksOf, type Node, nameOf } from './graph';
import { type Curve, layOut, NODE_HEIGHT, NODE_WIDTH } from './layout';

interface Shown {
  proofs: Map<string, Verdict>;
  chosen?: string;
  now: boolean;
  choose: (id: string) => void;
}

const ShownContext = createContext<Shown>({ proofs: new Map(), now: false, choose: () => {} });

export default function Picture({ lineage, ...shown }: { lineage: Lineage } & Shown) {
  const { ref, width } = useElementSize();
  const layout = useQuery({
    queryKey: ['layout', lineage.nodes, lineage.edges],
    queryFn: () => layOut(lineage),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  const nodes = useMemo(
    () =>
      lineage.nodes.map(
        (node): HopNode => ({
          id: node.id,
          type: 'hop',
          position: layout.data?.places.get(node.id) ?? { x: 0, y: 0 },
          data: { node },
          width: NODE_WIDTH,
          height: NODE_HEIGHT,
        }),
      ),
    [lineage, layout.data],
  );
  const edges = useMemo(
    () =>
      linksOf(lineage).map(
        (link): Edge => ({
          id: link.id,
          source: link.from,
          target: link.to,
          type: 'said',
          label: link.label,
          data: { curve: layout.data?.curves.get(link.id) },
          className: link.gap ? 'gap' : '',
          markerEnd: { type: MarkerType.ArrowClosed, width: 14, height: 14, color: 'var(--edge)' },
        }),
      ),
    [lineage, layout.data],
  );
  if (layout.error) return <Failed error={layout.error} />;
  if (!layout.data) return <Waiting rows={6} />;
  // As high as the chain needs at the width that there is, within what a screen shows at once.
  const fits = (width || layout.data.width) / (layout.data.width + MARGIN);
  const scale = Math.min(1, Math.max(SMALLEST, fits));
  const height = Math.min(620, Math.max(220, layout.data.height * scale + MARGIN));
  const sponsors = lineage.nodes.filter((node) => node.type === 'sponsor');
  // What is drawn small is written large.
  const letters = { height, '--letters': `${Math.round(LETTERS / scale)}px` } as CSSProperties;
  return (
    <ShownContext value={shown}>
      <div className="picture" style={letters} ref={ref}>
        <ReactFlow
          key={`${Math.round(height)} ${width}`}
          nodes={nodes}
          edges={edges}
          nodeTypes={NODE_TYPES}
          edgeTypes={EDGE_TYPES}
          fitView={fits >= SMALLEST}
          fitViewOptions={{ padding: 0.02, maxZoom: 1 }}
          defaultViewport={{ x: MARGIN / 2, y: MARGIN / 2, zoom: scale }}
          minZoom={0.25}
          maxZoom={1.6}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          edgesFocusable={false}
          elementsSelectable={false}
          zoomOnScroll={false}
          preventScrolling={false}
          onlyRenderVisibleElements={nodes.length > 100}
          aria-label="The chain, from the result at the left to who must respond at the right"
        >
          <Background gap={22} size={1} />
          <Controls showInteractive={false} position="bottom-left" />
          {fits < SMALLEST && <ToTheEnd of={sponsors} />}
        </ReactFlow>
      </div>
    </ShownContext>
  );
}

/** A chain that is wider than the screen: the way to its end. */
function ToTheEnd({ of }: { of: Node[] }) {
  const flow = useReactFlow();
  return (
    <Panel position="bottom-right">
      <Button
        variant="default"
        onClick={() => flow.fitView({ nodes: of.map(({ id }) => ({ id })), maxZoom: SMALLEST })}
      >
        Go to who must respond
      </Button>
    </Panel>
  );
}

type HopNode = FlowNode<{ node: Node }, 'hop'>;

function Hop({ data: { node } }: NodeProps<HopNode>) {
  const { proofs, chosen, now, choose } = useContext(ShownContext);
  const { word, icon } = nodeWord(node.type);
  const name = nameOf(node, now);
  const classes = ['hop', node.type, node.gap ? 'gap' : '', chosen === node.id ? 'chosen' : ''].join(' ');
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <button
        type="button"
        className={classes}
        onClick={() => choose(node.id)}
        title={node.at ? `${name}\n${exact(node.at)}` : name}
      >
        <span className="hop-head">
          <Icon name={icon} size={13} />
          {word}
          {node.evidence_id && !node.gap && <Mark verdict={proofs.get(node.evidence_id)} word={false} />}
        </span>
        <span className="hop-name">{name}</span>
        {node.now && <span className="hop-now">{now ? `then ${node.label}` : `now ${node.now}`}</span>}
        {node.at && !node.now && <span className="hop-now">{exact(node.at).slice(5, 19)}</span>}
      </button>
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

function Said({ label, data, ...edge }: EdgeProps<Edge<{ curve?: Curve }>>) {
  const { path, middle } = data?.curve ?? { path: '', middle: { x: 0, y: 0 } };
  return (
    <>
      <BaseEdge id={edge.id} path={path} markerEnd={edge.markerEnd} />
      <EdgeLabelRenderer>
        <span
          className="edge-said"
          style={{ transform: `translate(-50%, -50%) translate(${middle.x}px, ${middle.y}px)` }}
        >
          {label}
        </span>
      </EdgeLabelRenderer>
    </>
  );
}

/** Around the chain, in pixels. */
const MARGIN = 36;
/** A chain is not drawn smaller than this, but goes on beyond the edge. */
const SMALLEST = 0.62;
/** The least height of letters on the screen, in pixels. */
const LETTERS = 10.5;

const NODE_TYPES = { hop: Hop };
const EDGE_TYPES = { said: Said };
