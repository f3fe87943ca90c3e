/** What a user sees beside every page: the stack of notifications. */
export function Extras() {
  return null;
}
