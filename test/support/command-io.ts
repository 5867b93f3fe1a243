// Streams that keep what a command writes.
import type { CommandIo } from '../../src/cli/output.ts'

export interface RecordedIo extends CommandIo {
  readonly written: { stdout: string; stderr: string }
}

export function recordedIo(env: NodeJS.ProcessEnv = {}, isTTY = false): RecordedIo {
  const written = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY,
    write: (text: string) => {
      written[name] += text
    },
  })
  return { stdout: stream('stdout'), stderr: stream('stderr'), env, written }
}
