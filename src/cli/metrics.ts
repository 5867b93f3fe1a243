// `llm-gateway metrics`: what `GET /metrics` of the running gateway answers, on standard output or in a file for node_exporter.
import { open, rename, rm } from 'node:fs/promises'
import { printable } from '../platform/printable.ts'
import { askControl } from './control-client.ts'
import { type CommandIo, Output } from './output.ts'

/** @returns the exit status: 0, or 1 when no gateway answers, it has no metrics, or the file cannot be written. */
export async function metricsCommand(
  io: CommandIo,
  { config, textfile }: { readonly config: string | undefined; readonly textfile: string | undefined },
): Promise<number> {
  const fail = (message: string) => {
    new Output(io.stderr, io.env).line(`error: ${printable(message)}`)
    return 1
  }
  const answer = await askControl(io.env, 'GET /-/metrics', config)
  if (answer.kind === 'failed') return fail(answer.message)
  if (answer.kind === 'absent') {
    return fail(`no gateway of yours runs${config === undefined ? '' : ` with ${config}`}; start it`)
  }
  const { text } = answer.body
  if (typeof text !== 'string') return fail('the gateway answered with something else than metrics')
  if (text === '') return fail('the gateway counts nothing: metrics.enabled and status.enabled are false')
  if (textfile === undefined) {
    io.stdout.write(text)
    return 0
  }
  try {
    await replaceFile(textfile, text)
    return 0
  } catch (error) {
    return fail(`${textfile} cannot be written: ${(error as Error).message}`)
  }
}

/** A reader finds the old text or the new one. The collector runs as another user, so everybody may read it. */
async function replaceFile(path: string, text: string): Promise<void> {
  // The collector reads files that end in .prom.
  const draft = `${path}.${process.pid}`
  const file = await open(draft, 'wx', 0o644)
  try {
    await file.writeFile(text)
    await file.chmod(0o644)
    await file.close()
    await rename(draft, path)
  } catch (error) {
    await file.close().catch(() => {})
    await rm(draft, { force: true })
    throw error
  }
}
