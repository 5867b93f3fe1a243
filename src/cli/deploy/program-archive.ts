// The program as deploy copies it: the package that runs this command, or the build of a checkout. Node comes beside it.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packagePath } from '../../platform/package.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import { computeDigest, digestFile, isCheckout, packaged, readDigest } from '../program-digest.ts'
import { type ArchivedFile, tarOf } from './tar.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

export interface ProgramArchive {
  /** Names what the files are made of, and the Node: the same for the same ones. */
  readonly id: string
  /** tar, gzip. */
  readonly bytes: Buffer
  /** Unpacked, in KiB. */
  readonly sizeKiB: number
}

export type MadeArchive =
  | { readonly kind: 'made'; readonly archive: ProgramArchive }
  | { readonly kind: 'failed'; readonly message: string }

/** Reads the files, and builds a checkout first if its build is not current. @param nodeHash of the package with Node. */
export function archiveProgram(nodeHash: string, run: RunProgram): MadeArchive {
  const own = packagePath('')
  // Two builds of the same sources differ, in what V8 has compiled.
  const digest = computeDigest(own)
  const built = providedBuild(own, digest, run)
  if (built.kind === 'failed') return built
  const files = packaged.flatMap((name) => filesIn(own, name))
  const dist = filesIn(built.directory, '.').map((file) => ({ ...file, path: `dist/${file.path}` }))
  built.remove()
  const ofBuild = new Set(['dist/metafile.json', `dist/${digestFile}`])
  const all = [...files, ...dist.filter(({ path }) => !ofBuild.has(path))]
  const id = createHash('sha256').update(`${digest}\0${nodeHash}`).digest('hex').slice(0, 16)
  const mark = { path: digestFile, isExecutable: false, bytes: Buffer.from(id) }
  const tar = tarOf([...all, mark])
  return {
    kind: 'made',
    archive: { id, bytes: gzipSync(tar, { level: 6 }), sizeKiB: Math.ceil(tar.length / 1024) },
  }
}

type Build =
  | { readonly kind: 'built'; readonly directory: string; remove(): void }
  | { readonly kind: 'failed'; readonly message: string }

function providedBuild(own: string, digest: string, run: RunProgram): Build {
  const existing = join(own, 'dist')
  if (!isCheckout(own) || readDigest(existing) === digest) {
    return { kind: 'built', directory: existing, remove: () => {} }
  }
  const folder = makeTemporaryFolder()
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const directory = join(folder, 'dist')
  const { status, stderr } = run(process.execPath, [join(own, 'scripts/build.ts'), directory])
  if (status === 0) return { kind: 'built', directory, remove }
  remove()
  const reason = stderr.trim() || `the build ended with status ${status}`
  return {
    kind: 'failed',
    message: `The program could not be built: ${reason}\nTo install what the build needs, run: npm ci`,
  }
}

/** Sorted by path. */
function filesIn(root: string, path: string): ArchivedFile[] {
  const absolute = join(root, path)
  if (!existsSync(absolute)) return []
  const status = statSync(absolute)
  if (!status.isDirectory()) {
    return [{ path, isExecutable: (status.mode & 0o111) !== 0, bytes: readFileSync(absolute) }]
  }
  return readdirSync(absolute)
    .toSorted()
    .flatMap((entry) => filesIn(root, path === '.' ? entry : `${path}/${entry}`))
}
