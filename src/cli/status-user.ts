// Which person sees the status page of a system-wide service, which runs as a user of its own.
import { systemUsers, uidNamed } from '../platform/unix-users.ts'
import { ask, type AskIo } from './ask.ts'

interface StatusUserIo extends AskIo {
  readonly env: NodeJS.ProcessEnv
}

/**
 * @param named on the command line; undefined: the person at the terminal is asked, and the one who runs sudo is suggested.
 * @returns undefined: only the service's own user sees the page. `unknown`: there is no such user.
 */
export async function chooseStatusUser(
  io: StatusUserIo,
  named: string | undefined,
): Promise<string | undefined | { readonly unknown: string }> {
  const installer = io.env['SUDO_USER']
  const suggested = installer === undefined || installer === 'root' ? undefined : installer
  const chosen = named ?? (await askFor(io, suggested)) ?? suggested
  if (chosen === undefined || chosen === '') return undefined
  return uidNamed(chosen, systemUsers(), 0) === undefined ? { unknown: chosen } : chosen
}

async function askFor(io: AskIo, suggested: string | undefined): Promise<string | undefined> {
  const hint = suggested === undefined ? 'empty: nobody' : `empty: ${suggested}`
  const answer = await ask(io, `Which user may see the status page? (${hint}) `)
  return answer === '' ? undefined : answer
}
