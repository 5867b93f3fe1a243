// What is wrong with the text of a configuration that is not a file yet. Secrets are not looked for.
import { configProblems } from './check.ts'
import { readDocument } from './document.ts'
import { expandVariables, withHome } from './environment.ts'
import { indexProblems, type PathProblem } from './problems.ts'
import { findProxies } from './proxy.ts'
import { pruned } from './load.ts'
import { violations } from './validate.ts'
import { isMappedHere, systemUsers } from '../platform/unix-users.ts'
import { systemAccounts } from '../platform/ownership.ts'

/** Errors alone; warnings are left to `validate-config`. @param hasServiceManager systemd runs the machine. */
export function textProblems(
  text: string,
  { env, hasServiceManager }: { readonly env: NodeJS.ProcessEnv; readonly hasServiceManager: boolean },
): readonly PathProblem[] {
  const document = readDocument(text, (each, path) => expandVariables(each, path, env))
  if (document.kind === 'unreadable') return document.problems
  const violated = violations(document.value, document.problems)
  const raw = pruned(document.value, [
    ...document.problems.filter(({ position }) => position === undefined),
    ...violated.filter(({ breaksShape }) => breaksShape),
  ])
  const { hasProblem } = indexProblems([...document.problems, ...violated])
  const effective = withHome(raw, env)
  const accounts = { users: systemUsers(), ownUid: systemAccounts().uid, isMapped: isMappedHere }
  return [
    ...document.problems,
    ...violated,
    ...configProblems(effective, hasProblem, { accounts, hasServiceManager }),
    ...findProxies(effective, env, hasProblem).problems,
  ].filter(({ severity = 'error' }) => severity === 'error')
}
