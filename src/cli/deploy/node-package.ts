// The package with Node for a processor, the box's or a Debian package's, as the lock file pins it. npm downloads it by the user's own
// settings; the bytes are used only if they have the hash of the lock file, each time.
import { createHash } from 'node:crypto'
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { packagePath } from '../../platform/package.ts'
import { printable } from '../../platform/printable.ts'
import type { RunProgram } from '../../systemd/programs.ts'

/** Of the lock file. */
export interface PinnedNode {
  readonly name: string
  readonly version: string
  /** `sha512-…`: Subresource Integrity, of the package as the registry serves it. */
  readonly integrity: string
}

type Pins = Readonly<Record<string, Omit<PinnedNode, 'name'>>>

/** Set by `scripts/build.ts` from the lock file; a checkout has none. */
declare const nodePins: Pins | undefined

/** @param name of the package. Undefined: the lock file does not have it. */
export function pinnedNode(name: string): PinnedNode | undefined {
  const pin = (typeof nodePins === 'undefined' ? pinsOf(packagePath('package-lock.json')) : nodePins)[name]
  return pin === undefined ? undefined : { name, ...pin }
}

/** The packages with Node in a lock file of npm. @throws when it cannot be read. */
export function pinsOf(lockFile: string): Pins {
  const { packages } = JSON.parse(readFileSync(lockFile, 'utf8')) as {
    packages: Readonly<Record<string, { version: string; integrity?: string }>>
  }
  const pins = Object.entries(packages).flatMap(([path, { version, integrity }]) => {
    const name = /^node_modules\/(node-linux-\w+)$/.exec(path)?.[1]
    return name === undefined || integrity === undefined ? [] : [[name, { version, integrity }] as const]
  })
  return Object.fromEntries(pins)
}

export type FoundNode =
  | { readonly kind: 'found'; readonly file: string }
  /** Sentences: what was seen, and what to do. */
  | { readonly kind: 'refused'; readonly message: string }

/** The file of the package, from the cache or from the registry. */
export async function provideNode(
  { name, version, integrity }: PinnedNode,
  env: NodeJS.ProcessEnv,
  run: RunProgram,
): Promise<FoundNode> {
  const cacheHome = env['XDG_CACHE_HOME']
  const home = cacheHome?.startsWith('/') === true ? cacheHome : join(env['HOME'] ?? homedir(), '.cache')
  const folder = join(home, 'llm-gateway')
  const file = join(folder, `${name}-${version}.tgz`)
  if (existsSync(file) && (await hashOf(file, integrity)) === integrity) return { kind: 'found', file }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const draft = mkdtempSync(join(folder, 'download-'))
  try {
    const packed = run('npm', [
      'pack',
      `${name}@${version}`,
      '--pack-destination',
      draft,
      '--prefer-offline',
      '--loglevel=error',
      '--ignore-scripts',
    ])
    const downloaded = join(draft, `${name}-${version}.tgz`)
    if (packed.status !== 0 || !existsSync(downloaded)) {
      const reason = packed.stderr.trim().split('\n')[0] ?? ''
      return {
        kind: 'refused',
        message: `${name} ${version} could not be downloaded by npm${reason === '' ? '' : `: ${printable(reason)}`}. Where npm reaches a registry, run: npm pack ${name}@${version}; then put the file there: ${file}`,
      }
    }
    const hash = await hashOf(downloaded, integrity)
    if (hash !== integrity) {
      return {
        kind: 'refused',
        message: `${name} ${version} has the hash ${hash}, and the lock file has ${integrity}: the registry serves another package than the one that was pinned. Nothing of it was used.`,
      }
    }
    renameSync(downloaded, file)
    return { kind: 'found', file }
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** By the algorithm of the expected value. */
async function hashOf(file: string, integrity: string): Promise<string> {
  const algorithm = integrity.slice(0, integrity.indexOf('-'))
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return `${algorithm}-${hash.digest('base64')}`
}
