// Whether the audit log is written, and whether its end is the one that was written.
import { openAuditKey } from '../../config/record-keys.ts'
import { auditFiles } from '../../observe/audit/audit-log.ts'
import { verifyAudit } from '../../observe/audit/verify.ts'
import { counted } from '../output.ts'
import type { Finding } from './finding.ts'

const subject = 'audit log'

/** @param command as this user runs the program. */
export async function examineAudit(
  directory: string,
  configFile: string,
  { env, command }: { readonly env: NodeJS.ProcessEnv; readonly command: string },
): Promise<Finding> {
  try {
    if ((await auditFiles(directory)).length === 0) {
      const detail = `there is no audit log in ${directory}: no gateway has run since it was turned on`
      return { subject, state: 'warn', detail }
    }
    const opened = await openAuditKey(configFile, env)
    const key = opened.kind === 'opened' ? opened.key : undefined
    const { lines, head, fault, anchoredTo, keyedFrom, lastOwnFault } = await verifyAudit(directory, key, [])
    if (fault !== undefined) {
      const reason = opened.kind === 'refused' ? `${fault}; ${opened.message}` : fault
      return { subject, state: 'fail', detail: reason, fix: `${command} audit verify` }
    }
    const keyed = keyedFrom === undefined ? 'unkeyed' : `keyed from ${keyedFrom}`
    const anchored = anchoredTo === head?.seq ? 'audit.head matches' : 'audit.head is missing or older'
    const detail = `${counted(lines, 'event')}, whole, ${anchored}, ${keyed}`
    if (lastOwnFault === undefined) return { subject, state: 'ok', detail }
    const fix = `${command} audit tail -n ${lines - lastOwnFault.line + 1}`
    return {
      subject,
      state: 'warn',
      detail: `${detail}; it had a fault at ${lastOwnFault.time} (${lastOwnFault.name})`,
      fix,
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM') return { subject, state: 'skipped', detail: message }
    return { subject, state: 'fail', detail: `${directory} cannot be read: ${message}` }
  }
}
