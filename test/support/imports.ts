import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** One import, paths relative to the source folder: `call/relay.ts` → `bytes/sse.ts`, `fastify` or `node:net`. */
export interface Edge {
  readonly from: string
  readonly to: string
}

/** The text of every source file below a folder, generated JavaScript included, by its path in there. */
export function readSources(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.[jt]s$/.test(name),
  )
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

const statement = /^(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?['"]([^'"\n]+)['"]/gm
const dynamic = /(?<![\w.'"])import\(\s*['"]([^'"\n]+)['"]/g

/** What a file imports or re-exports, types and dynamic imports included, each as often as it is written. */
export function readImports(file: string, text: string): Edge[] {
  const code = withoutComments(text)
  return [...code.matchAll(statement), ...code.matchAll(dynamic)].map(([, specifier]) => ({
    from: file,
    to: specifier!.startsWith('.') ? join(dirname(file), specifier!) : specifier!,
  }))
}

/** Good enough for import lines and names: a string that looks like a comment loses its rest of the line. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')
}

/** Groups of files that import one another, directly or through others, each sorted (Tarjan's algorithm). */
export function findCycles(edges: readonly Edge[]): string[][] {
  const targets = Map.groupBy(edges, ({ from }) => from)
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const cycles: string[][] = []

  function visit(file: string): number {
    const number = order.size
    order.set(file, number)
    lowest.set(file, number)
    open.push(file)
    for (const { to } of targets.get(file) ?? []) {
      if (!order.has(to)) lowest.set(file, Math.min(lowest.get(file)!, visit(to)))
      else if (open.includes(to)) lowest.set(file, Math.min(lowest.get(file)!, order.get(to)!))
    }
    if (lowest.get(file) === number) {
      const group = open.splice(open.indexOf(file))
      if (group.length > 1) cycles.push(group.sort())
    }
    return lowest.get(file)!
  }

  for (const file of targets.keys()) if (!order.has(file)) visit(file)
  return cycles.sort(([one = ''], [other = '']) => (one < other ? -1 : 1))
}
