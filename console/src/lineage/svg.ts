// The picture as a file of its own: plain SVG, without what a page has around it.
import { nodeWord } from '../words';
import { type Lineage, linksOf, nameOf } from './graph';
import { type Layout, NODE_HEIGHT, NODE_WIDTH } from './layout';

const MARGIN = 24;
const LINE = 15;
const FONT = 'font-family="system-ui, sans-serif"';

export function drawSvg(lineage: Lineage, layout: Layout, now: boolean): string {
  const sentence = wrap(lineage.sentence, Math.max(60, Math.floor(layout.width / 8.6)));
  const head = MARGIN + sentence.length * 20 + 12;
  const width = Math.max(layout.width, 560) + 2 * MARGIN;
  const height = layout.height + head + MARGIN;
  const at = (id: string) => {
    const place = layout.places.get(id) ?? { x: 0, y: 0 };
    return { x: place.x + MARGIN, y: place.y + head };
  };
  const lines = linksOf(lineage).map((link) => {
    const curve = layout.curves.get(link.id);
    if (!curve) return '';
    const { x, y } = curve.middle;
    const dash = link.gap ? ' stroke-dasharray="5 4"' : '';
    return `<g transform="translate(${MARGIN} ${head})"><path d="${curve.path}" fill="none" stroke="${link.gap ? '#b45309' : '#8a97a5'}" stroke-width="1.4"${dash} marker-end="url(#arrow)"/>${text(x, y - 4, link.label, 11, '#5b6775', 'middle')}</g>`;
  });
  const boxes = lineage.nodes.map((node) => {
    const { x, y } = at(node.id);
    const sponsor = node.type === 'sponsor';
    const colour = node.gap ? '#b45309' : sponsor ? '#0b5c55' : '#cfd6dd';
    const dash = node.gap ? ' stroke-dasharray="5 4"' : '';
    const label = wrap(nameOf(node, now), 20).slice(0, 3);
    return [
      `<rect x="${x}" y="${y}" width="${NODE_WIDTH}" height="${NODE_HEIGHT}" rx="8" fill="#fff" stroke="${colour}" stroke-width="${sponsor ? 2 : 1.2}"${dash}/>`,
      text(x + 12, y + 20, nodeWord(node.type).word.toUpperCase(), 10, '#5b6775'),
      ...label.map((line, index) => text(x + 12, y + 40 + index * LINE, line, 13, '#17202a')),
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a97a5"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...sentence.map((line, index) => text(MARGIN, MARGIN + 12 + index * 20, line, 14, '#17202a')),
    ...lines,
    ...boxes,
    '</svg>',
  ].join('\n');
}

/** The same picture in pixels, twice as many as on screen. */
export async function drawPng(svg: string): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth * 2;
  canvas.height = image.naturalHeight * 2;
  const context = canvas.getContext('2d');
  context?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('this browser cannot write a picture'))),
      'image/png',
    );
  });
}

function text(x: number, y: number, said: string, size: number, colour: string, anchor = 'start'): string {
  return `<text x="${x}" y="${y}" font-size="${size}" ${FONT} fill="${colour}" text-anchor="${anchor}">${escaped(said)}</text>`;
}

/** Text as it stands in XML, without what XML cannot hold. */
function escaped(said: string): string {
  const safe = Array.from(said).filter(
    (letter) => letter >= ' ' && !(letter >= '\ud800' && letter <= '\udfff' && letter.length === 1),
  );
  return safe.join('').replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

export function wrap(said: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of said
    .split(/\s+/)
    .flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'gsu')) ?? [])) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}
