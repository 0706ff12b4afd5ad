// Where the nodes stand. ELK works in a worker of its own file, and is loaded when there is a picture to draw.
import ELK, { type ElkEdgeSection, type ElkNode, type LayoutOptions } from 'elkjs/lib/elk-api';
import workerAddress from 'elkjs/lib/elk-worker.min.js?url';
import { type Lineage, linksOf } from './graph';

export const NODE_WIDTH = 168;
export const NODE_HEIGHT = 100;

export interface Place {
  x: number;
  y: number;
}

export interface Curve {
  path: string;
  middle: Place;
}

export interface Layout {
  places: Map<string, Place>;
  /** Of each link its path, and where its words stand. */
  curves: Map<string, Curve>;
  width: number;
  height: number;
}

const OPTIONS = {
  'elk.algorithm': 'layered',
  'elk.direction': 'RIGHT',
  'elk.layered.spacing.nodeNodeBetweenLayers': '78',
  'elk.edgeRouting': 'SPLINES',
  'elk.spacing.nodeNode': '26',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.considerModelOrder.strategy': 'NODES_AND_EDGES',
  'elk.padding': '[top=8,left=8,bottom=8,right=8]',
};

/** Who must respond stands at the right end. */
const RIGHTMOST: LayoutOptions = { 'elk.layered.layering.layerConstraint': 'LAST' };

let elk: InstanceType<typeof ELK> | undefined;

export async function layOut(lineage: Lineage): Promise<Layout> {
  elk ??= new ELK({ workerFactory: () => new Worker(workerAddress) });
  const sponsors = new Set(lineage.nodes.filter((node) => node.type === 'sponsor').map((node) => node.id));
  const laid: ElkNode = await elk.layout({
    id: 'lineage',
    layoutOptions: OPTIONS,
    children: lineage.nodes.map((node) => ({
      id: node.id,
      width: NODE_WIDTH,
      height: NODE_HEIGHT,
      layoutOptions: sponsors.has(node.id) ? RIGHTMOST : {},
    })),
    edges: linksOf(lineage).map((link) => ({ id: link.id, sources: [link.from], targets: [link.to] })),
  });
  const places = new Map(laid.children?.map((child) => [child.id, { x: child.x ?? 0, y: child.y ?? 0 }]));
  const curves = new Map(laid.edges?.map((edge) => [edge.id, curveOf(edge.sections?.[0])]));
  return { places, curves, width: laid.width ?? 0, height: laid.height ?? 0 };
}

/** ELK's splines are cubic Bézier curves: three points after the start for each piece. */
function curveOf(section?: ElkEdgeSection): Curve {
  if (!section) return { path: '', middle: { x: 0, y: 0 } };
  const [start, ...rest] = [section.startPoint, ...(section.bendPoints ?? []), section.endPoint] as [
    Place,
    ...Place[],
  ];
  if (rest.length % 3 !== 0) {
    const path = rest.map((point) => `L${at(point)}`).join('');
    return { path: `M${at(start)}${path}`, middle: rest[Math.floor(rest.length / 2)] ?? start };
  }
  const points = [start, ...rest];
  const pieces = Array.from(
    { length: rest.length / 3 },
    (_, piece) => points.slice(piece * 3, piece * 3 + 4) as Four,
  );
  const path = pieces.map(([, ...three]) => `C${three.map(at).join(' ')}`).join('');
  return { path: `M${at(start)}${path}`, middle: middleOf(pieces) };
}

/** The point at half of the way, measured in steps. */
function middleOf(pieces: Four[]): Place {
  const way = pieces.flatMap((piece) => STEPS.map((step) => cubic(piece, step)));
  const lengths = way
    .slice(1)
    .map((point, index) => Math.hypot(point.x - (way[index]?.x ?? 0), point.y - (way[index]?.y ?? 0)));
  let left = lengths.reduce((sum, length) => sum + length, 0) / 2;
  const index = lengths.findIndex((length) => {
    left -= length;
    return left <= 0;
  });
  return way[index + 1] ?? way[0] ?? { x: 0, y: 0 };
}

const STEPS = Array.from({ length: 21 }, (_, step) => step / 20);

type Four = [Place, Place, Place, Place];

function cubic([a, b, c, d]: Four, t: number): Place {
  const u = 1 - t;
  const mix = (axis: 'x' | 'y') =>
    u ** 3 * a[axis] + 3 * u * u * t * b[axis] + 3 * u * t * t * c[axis] + t ** 3 * d[axis];
  return { x: mix('x'), y: mix('y') };
}

const at = ({ x, y }: Place) => `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`;
