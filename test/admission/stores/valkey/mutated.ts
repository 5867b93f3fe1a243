// The searches with one line of the protocol changed: in the twin of exchange.lua, in `Allotment`, or in what a gateway does.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { longestWait as longestWaitType } from './exchange-liveness.ts'
import type { search as searchType } from './exchange-search.ts'

const files = {
  allotment: new URL('../../../../src/admission/stores/valkey/allotment.ts', import.meta.url),
  twin: new URL('exchange-twin.ts', import.meta.url),
  world: new URL('exchange-world.ts', import.meta.url),
  search: new URL('exchange-search.ts', import.meta.url),
  liveness: new URL('exchange-liveness.ts', import.meta.url),
}

export interface Mutation {
  readonly in: keyof typeof files
  /** Stands there once. */
  readonly from: string
  readonly to: string
}

interface Searches {
  readonly search: typeof searchType
  readonly longestWait: typeof longestWaitType
}

/** @throws AssertionError when there is no such line any more. */
export async function mutated(mutation: Mutation): Promise<Searches> {
  const folder = mkdtempSync(join(tmpdir(), 'mutated-'))
  try {
    for (const [name, url] of Object.entries(files)) {
      let text = readFileSync(url, 'utf8')
      if (name === mutation.in) {
        assert.equal(text.split(mutation.from).length, 2, mutation.from)
        text = text.replace(mutation.from, () => mutation.to)
      }
      writeFileSync(join(folder, basename(url.pathname)), withImports(text, url))
    }
    const load = (name: string): Promise<unknown> => import(pathToFileURL(join(folder, name)).href)
    const [one, other] = await Promise.all([load('exchange-search.ts'), load('exchange-liveness.ts')])
    return { ...(one as Pick<Searches, 'search'>), ...(other as Pick<Searches, 'longestWait'>) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** These files import each other; everything else stays where it is. */
function withImports(text: string, url: URL): string {
  const own = Object.values(files).map(({ href }) => href)
  return text.replace(/ from '(\..*?)'/g, (_, path: string) => {
    const { href, pathname } = new URL(path, url)
    return ` from '${own.includes(href) ? `./${basename(pathname)}` : href}'`
  })
}
