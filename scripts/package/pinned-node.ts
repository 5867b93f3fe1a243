// What the Debian package takes of the Node that the lock file pins, for any processor: nothing of it runs here.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type PinnedNode, provideNode } from '../../src/cli/deploy/node-package.ts'
import { runProgram } from '../../src/systemd/programs.ts'

interface UnpackedNode {
  /** Path of the program. */
  readonly program: string
  /** Path of its licence, with those of the libraries that are linked into it. */
  readonly licence: string
}

/**
 * Unpacks `bin/node` and the licence into `folder`.
 * @throws when npm cannot download the package, or its hash differs.
 */
export async function unpackPinnedNode(node: PinnedNode, folder: string): Promise<UnpackedNode> {
  const found = await provideNode(node, process.env, runProgram)
  if (found.kind === 'refused') throw new Error(found.message)
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-xzf', found.file, '-C', folder, 'package/bin/node', 'package/LICENSE'])
  return { program: join(folder, 'package/bin/node'), licence: join(folder, 'package/LICENSE') }
}
