// The program that a service runs. A package runs where it lies, if nobody but the service's owner can change it. Otherwise
// the service gets a copy: a checkout is built first, and `npm ci` in it cannot take Node away from the service; a system
// service must not run files that a user can write.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { packagePath, pinnedNodePath } from '../platform/package.ts'
import type { RunProgram } from '../systemd/programs.ts'
import type { ServicePaths } from '../systemd/scope.ts'
import { computeDigest, digestFile, isCheckout, packaged, readDigest } from './program-digest.ts'

/** Paths are absolute. */
export interface ServiceProgram {
  /** The package or its copy: with bin/, config/, dist/ and systemd/. */
  readonly root: string
  readonly node: string
  readonly main: string
}

export type ProgramState =
  /** It runs where it lies, or its copy is current. */
  | { readonly kind: 'current'; readonly program: ServiceProgram }
  /** The copy is missing or was made of something else. */
  | { readonly kind: 'stale'; readonly program: ServiceProgram; readonly isNew: boolean }

/** Which program the service of `paths` should run, and whether it is there. */
export function examineProgram({ scope, programDirectory: root }: ServicePaths): ProgramState {
  const own = packagePath('')
  const node = process.execPath
  const isTrusted = (path: string) => scope === 'user' || isRootsAlone(path)
  const main = join(own, 'dist/main.cjs')
  if (!isCheckout(own) && isTrusted(main) && isTrusted(node)) {
    return { kind: 'current', program: { root: own, node, main } }
  }
  const isNodeShared = isTrusted(node) && !node.startsWith(own)
  const program = {
    root,
    node: isNodeShared ? node : join(root, pinnedNodePath()),
    main: join(root, 'dist/main.cjs'),
  }
  if (readDigest(root) === computeDigest(own)) return { kind: 'current', program }
  return { kind: 'stale', program, isNew: !existsSync(root) }
}

/**
 * Makes the copy, in place of an older one. @returns why it could not be built; undefined on success.
 * @throws when a file cannot be written.
 */
export function installProgram({ root, node }: ServiceProgram, run: RunProgram): string | undefined {
  const own = packagePath('')
  const digest = computeDigest(own)
  const draft = `${root}.new`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { recursive: true, mode: 0o755 })
  for (const name of packaged) copyTree(join(own, name), join(draft, name))
  const failure = provideBuild(own, join(draft, 'dist'), digest, run)
  if (failure !== undefined) {
    rmSync(draft, { recursive: true, force: true })
    return failure
  }
  if (node.startsWith(root + sep)) copyTree(process.execPath, join(draft, pinnedNodePath()))
  writeFileSync(join(draft, digestFile), digest, { mode: 0o644 })
  const old = `${root}.old`
  rmSync(old, { recursive: true, force: true })
  if (existsSync(root)) renameSync(root, old)
  renameSync(draft, root)
  rmSync(old, { recursive: true, force: true })
  return undefined
}

/** Whether the directory is a copy that `installProgram` made. */
export function isInstalledProgram(root: string): boolean {
  return readDigest(root) !== undefined
}

function provideBuild(own: string, dist: string, digest: string, run: RunProgram): string | undefined {
  const existing = join(own, 'dist')
  if (!isCheckout(own) || readDigest(existing) === digest) {
    copyTree(existing, dist)
    return undefined
  }
  const { status, stderr } = run(process.execPath, [join(own, 'scripts/build.ts'), dist])
  if (status !== 0) return stderr.trim() || `the build ended with status ${status}`
  rmSync(join(dist, 'metafile.json'), { force: true })
  return undefined
}

/** With modes that do not depend on the umask of whoever made the originals. */
function copyTree(from: string, to: string): void {
  const status = statSync(from)
  if (status.isDirectory()) {
    mkdirSync(to, { recursive: true })
    chmodSync(to, 0o755)
    for (const name of readdirSync(from)) copyTree(join(from, name), join(to, name))
    return
  }
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 })
  // copyFile would make the owner of the original the owner of the copy.
  writeFileSync(to, readFileSync(from), { flag: 'wx' })
  chmodSync(to, (status.mode & 0o111) === 0 ? 0o644 : 0o755)
}

/** Whether root alone can change the file and every directory on the way to it. */
function isRootsAlone(path: string): boolean {
  for (let each = path; ; each = dirname(each)) {
    const { uid, gid, mode } = lstatSync(each)
    const isWritable = (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0)
    if (uid !== 0 || isWritable) return false
    if (each === dirname(each)) return true
  }
}
