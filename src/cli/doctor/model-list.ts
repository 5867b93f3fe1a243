// What a provider's list of models says about the models that the configuration needs of it.
import { isOffered, type OfferedModels } from '../../dialects/openai/model-list.ts'
import { closestName } from '../../did-you-mean.ts'
import { shellWord } from '../../shell-word.ts'
import { type Finding, shortened } from './finding.ts'

/** llama.cpp serves the one model that it was started with, whatever name is asked for. */
function takesAnyName({ server, names }: OfferedModels): boolean {
  return server === 'llama.cpp' && names.length === 1
}

/**
 * @param models that the configuration asks this provider for.
 * @param answered the one of them that has answered a call, listed or not.
 */
export function modelFindings(
  models: readonly string[],
  list: OfferedModels,
  answered: string | undefined,
): Finding[] {
  const subject = 'models'
  if (takesAnyName(list)) {
    const detail = `llama.cpp serves ${shortened(list.names[0]!, 80)} by any name`
    return [{ subject, state: 'ok', detail }]
  }
  const missing = models.filter((model) => !isOffered(model, list.names) && model !== answered)
  if (missing.length > 0) return missing.map((model) => missingModel(model, list))
  const detail =
    models.length === 0 ? 'the configuration names none' : `${models.length} of ${models.length} are there`
  return [{ subject, state: 'ok', detail, figures: { offered: list.names.length } }]
}

function missingModel(model: string, { names, isPartial, server }: OfferedModels): Finding {
  const near = closestName(model, names)
  const first = names.slice(0, 5).map((name) => shortened(name, 60))
  const offers =
    names.length === 0
      ? 'it has none'
      : `it has ${first.join(', ')}${names.length > 5 ? `, … (${names.length})` : ''}`
  const absent = near === undefined ? `not there; ${offers}` : `not there; it has ${shortened(near, 60)}`
  const name = near === undefined ? 'a name that it has' : `model: ${JSON.stringify(near)}`
  const rename = `write ${name} in the configuration`
  const pull = `ollama pull ${shellWord(model)}`
  return {
    subject: `model ${model}`,
    state: isPartial ? 'warn' : 'fail',
    detail: isPartial ? 'not on the first page of its list' : absent,
    fix: server !== 'ollama' ? rename : near === undefined ? pull : `${pull}   # or ${rename}`,
    figures: { model },
  }
}
