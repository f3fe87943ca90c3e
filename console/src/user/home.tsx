import { Page } from '../ui/page';

/** What a user finds first. */
export default function Home() {
  return <Page title="Today"><p>Nothing is here yet.</p></Page>;
}
