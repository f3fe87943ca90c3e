import type { ComponentType } from 'preact';
import type { Parts } from '../routes';
import { userId } from '../access';
import { UserPicker } from '../shell/user-picker';
import { Page } from '../ui/page';
import { Empty } from '../ui/states';

/** A page of a user: until somebody is chosen it asks whose. */
export function ofUser(title: string, Shown: ComponentType<{ user: string } & Parts>) {
  return function OfUser(parts: Parts) {
    const id = userId.value;
    if (id) return <Shown key={`${id} ${parts.id ?? ''}`} id={parts.id} user={id} />;
    return (
      <Page title={title}>
        <Empty title="Whose page is this to be?">
          This page shows what one user sees. Choose whose; it is kept for this tab.
          <span class="choose"><UserPicker /></span>
        </Empty>
      </Page>
    );
  };
}
