// Checks the configuration file, as `validate-config` does.
import type { LoadedConfig } from '../../config/load.ts'
import type { Problem } from '../../config/problems.ts'
import { counted } from '../output.ts'
import type { Finding } from './finding.ts'

export function examineConfig(file: string, loaded: LoadedConfig): Finding[] {
  const problems = (loaded.ok ? loaded.warnings : loaded.problems).map(toFinding)
  if (!loaded.ok) return problems
  const { models, providers } = loaded.config
  const contents = `${counted(models.size, 'model')}, ${counted(providers.size, 'provider')}`
  return [{ subject: 'file', state: 'ok', detail: `${file} is valid: ${contents}` }, ...problems]
}

function toFinding({ file, line, column, path, message, hint, severity }: Problem): Finding {
  const position = line > 0 ? `${file}:${line}:${column}` : file
  return {
    subject: path === '' ? 'file' : path,
    state: severity === 'error' ? 'fail' : 'warn',
    detail: path.startsWith('env ') ? message : `${position}: ${message}`,
    fix: hint === '' ? undefined : hint,
    figures: { file, line, column },
  }
}
