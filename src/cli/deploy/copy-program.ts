// Copies the program and its Node to the box, into a folder that gets its name when all is there.
import { createReadStream, statSync } from 'node:fs'
import { type Readable, Transform } from 'node:stream'
import type { RunProgram } from '../../systemd/programs.ts'
import { type CommandIo, Output } from '../output.ts'
import { nodeHashFile } from './box-files.ts'
import { finishScript, stageScript } from './box-scripts.ts'
import { type PinnedNode, provideNode } from './node-package.ts'
import type { ProgramArchive } from './program-archive.ts'
import type { Site } from './site.ts'

export interface CopyParts {
  readonly io: CommandIo
  readonly site: Site
  readonly run: RunProgram
  /** Names what is not complete yet. */
  readonly token: string
}

/** Unpacked, with some room for another version. */
const nodeKiB = 180_000
const spareKiB = 10_000

/** Copies them beside what runs. @returns why that failed, as a sentence; undefined: the release is complete. */
export async function copyProgram(
  { io, site, run, token }: CopyParts,
  archive: ProgramArchive,
  node: PinnedNode,
): Promise<string | undefined> {
  const { paths, installed, account } = site
  const out = new Output(io.stdout, io.env)
  const { base } = paths
  const isNodeThere = installed.files.get(nodeHashFile(base, account.nodePackage)) === node.integrity
  const neededKiB = archive.sizeKiB + (isNodeThere ? 0 : nodeKiB) + spareKiB
  if (installed.freeKiB !== undefined && installed.freeKiB < neededKiB) {
    return `The disk of the box is too full for ${base}: ${inMb(installed.freeKiB)} are free, and ${inMb(neededKiB)} are needed.`
  }
  let nodeFile: string | undefined
  if (!isNodeThere) {
    const found = await provideNode(node, io.env, run)
    if (found.kind === 'refused') return found.message
    nodeFile = found.file
  }
  out.line(`Copying the program (${inMb(archive.bytes.length / 1024)}) …`)
  const staged = await site.run(stageScript, [base, token], { input: archive.bytes })
  if (staged.status !== 0) return site.reasonOf(staged)
  const args = [base, token, archive.id, node.name, node.integrity, node.version]
  const finished =
    nodeFile === undefined
      ? await site.run(finishScript, [...args, 'link'])
      : await site.run(finishScript, [...args, 'send'], { input: nodeStream(nodeFile, node, io) })
  return finished.status === 0 ? undefined : site.reasonOf(finished)
}

/** The file as it is read, with its progress on the output. */
function nodeStream(file: string, { version }: PinnedNode, io: CommandIo): Readable {
  const { size } = statSync(file)
  const { stdout } = io
  const out = new Output(stdout, io.env)
  const label = `Copying Node ${version}`
  if (stdout.isTTY !== true) out.line(`${label} (${inMb(size / 1024)}) …`)
  let sent = 0
  let shown = -1
  const counter = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      sent += chunk.length
      const percent = Math.floor((sent / size) * 100)
      if (stdout.isTTY === true && percent !== shown) {
        stdout.write(`\r${label} (${inMb(size / 1024)}): ${percent} %${percent === 100 ? '\n' : ''}`)
        shown = percent
      }
      done(undefined, chunk)
    },
  })
  const reading = createReadStream(file)
  reading.once('error', (error) => counter.destroy(error))
  return reading.pipe(counter)
}

function inMb(kiB: number): string {
  const mb = (kiB * 1024) / 1_000_000
  return `${mb < 10 ? mb.toFixed(1) : Math.round(mb)} MB`
}
