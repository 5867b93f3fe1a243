// What a build and a copy of the program were made of, so that they are made again only when that has changed.
import { createHash, type Hash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What a package needs at run time, besides dist/ and Node. */
export const packaged = ['package.json', 'bin', 'config', 'systemd']

const sources = ['src', 'scripts', 'node_modules/.package-lock.json']

/** In dist/ of a checkout and in a copy. */
export const digestFile = '.made-of'

export function isCheckout(root: string): boolean {
  return existsSync(join(root, 'src/main.ts'))
}

/** What `directory` was made of; undefined if it does not say. */
export function readDigest(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, digestFile), 'utf8')
  } catch {
    return undefined
  }
}

/** Of the files of a checkout or package that decide what a copy of it does. @throws when one cannot be read. */
export function computeDigest(root: string): string {
  const hash = createHash('sha256').update(`${process.version} ${process.arch}\0`)
  for (const name of [...packaged, ...(isCheckout(root) ? sources : ['dist'])]) addTo(hash, root, name)
  return hash.digest('hex')
}

function addTo(hash: Hash, root: string, name: string): void {
  const path = join(root, name)
  if (!existsSync(path)) return
  if (statSync(path).isDirectory()) {
    for (const entry of readdirSync(path).toSorted()) addTo(hash, root, join(name, entry))
    return
  }
  const bytes = readFileSync(path)
  hash.update(`${name}\0${bytes.length}\0`).update(bytes)
}
